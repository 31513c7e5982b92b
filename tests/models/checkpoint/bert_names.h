// The parameters and weight names of the hub's BertForPreTraining, as a family would give them:
// files with [out, in] weights, query, key and value apart, and an optional copy of the head.
#pragma once

#include "models/families/model_spec.h"

namespace stagecraft::test {

/// The model of tests/fixtures/hub_weights/bert: parameters alone, no layer can be made.
ModelSpec bert_with_names(int tensor_shards);

}  // namespace stagecraft::test
