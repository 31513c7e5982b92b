// Joins a key to the field of a room's struct that it fills: KeyBinding<&RunSettings::model,
// &ModelConfig::layers>. The field's type decides the conversion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "launch/config_key.h"
#include "launch/run_settings.h"

namespace stagecraft {

/// Reads and writes one field; the general case is a field that holds an alternative of
/// ConfigValue.
template <typename Field>
struct FieldValue {
  static Field from(const ConfigValue& value) { return std::get<Field>(value); }
  static ConfigValue to(const Field& field) { return field; }
};

template <>
struct FieldValue<int> {
  static int from(const ConfigValue& value) {
    return static_cast<int>(std::get<std::int64_t>(value));
  }
  static ConfigValue to(int field) { return static_cast<std::int64_t>(field); }
};

template <>
struct FieldValue<std::optional<std::string>> {
  static std::optional<std::string> from(const ConfigValue& value) {
    return std::get<std::string>(value);
  }
  static ConfigValue to(const std::optional<std::string>& field) { return field.value_or(""); }
};

template <>
struct FieldValue<ModelFamily> {
  static ModelFamily from(const ConfigValue&) { return ModelFamily::gpt; }  // the one that is built
  static ConfigValue to(ModelFamily) { return std::string("gpt"); }
};

template <>
struct FieldValue<SampleOrder> {
  static SampleOrder from(const ConfigValue& value) {
    return std::get<std::string>(value) == "sequential" ? SampleOrder::sequential
                                                        : SampleOrder::shuffled;
  }
  static ConfigValue to(SampleOrder field) {
    return std::string(field == SampleOrder::sequential ? "sequential" : "shuffled");
  }
};

template <>
struct FieldValue<Precision> {
  static Precision from(const ConfigValue& value) {
    const auto& name = std::get<std::string>(value);
    return name == "bf16" ? Precision::bf16 : name == "tf32" ? Precision::tf32 : Precision::float32;
  }
  static ConfigValue to(Precision field) {
    return std::string(field == Precision::bf16   ? "bf16"
                       : field == Precision::tf32 ? "tf32"
                                                  : "float32");
  }
};

template <auto Table, auto Field>
struct KeyBinding {
  static void set(RunSettings& settings, const ConfigValue& value) {
    auto& field = settings.*Table.*Field;
    field = FieldValue<std::remove_reference_t<decltype(field)>>::from(value);
  }
  static ConfigValue get(const RunSettings& settings) {
    const auto& field = settings.*Table.*Field;
    return FieldValue<std::remove_cvref_t<decltype(field)>>::to(field);
  }
};

}  // namespace stagecraft
