#include "launch/artifacts/restarts_file.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "launch/artifacts/run_directory.h"

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

std::string row_of(const Restart& restart) {
  const Json json = {{"from_step", restart.from_step},
                     {"earlier", restart.earlier},
                     {"steps", restart.steps},
                     {"cause", restart.cause.empty() ? Json(nullptr) : Json(restart.cause)}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_in(const Json& row, const char* name) {
  return row.contains(name) && row[name].is_string() ? row[name].get<std::string>() : "";
}

}  // namespace

void add_restart(const std::filesystem::path& run, const Restart& restart) {
  const std::filesystem::path path = restarts_file(run);
  std::ofstream file(path, std::ios::app);
  file << row_of(restart) << '\n' << std::flush;
  require(file.good(), path.string(), "a row could not be written; is the disk full?");
}

std::vector<Restart> read_restarts(const std::filesystem::path& run) {
  std::vector<Restart> restarts;
  std::ifstream file(restarts_file(run));
  for (std::string line; std::getline(file, line);) {
    const Json row = Json::parse(line, nullptr, false);
    if (row.is_object()) {
      restarts.push_back({row.value("from_step", std::int64_t{0}), text_in(row, "earlier"),
                          row.value("steps", std::int64_t{0}), text_in(row, "cause")});
    }
  }
  return restarts;
}

std::string restart_lines(const std::vector<Restart>& restarts) {
  std::string text;
  for (const Restart& restart : restarts) {
    text += (text.empty() ? "\n    " : ",\n    ") + row_of(restart);
  }
  return text.empty() ? "[]" : "[" + text + "\n  ]";
}

}  // namespace stagecraft
