// `stagecraft config-reference`: docs/configuration.md.
#pragma once

namespace stagecraft {

/// Prints the page of all keys. Returns 0.
int config_reference();

}  // namespace stagecraft
