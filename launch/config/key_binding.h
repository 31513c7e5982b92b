// Functions that make the table's entries. key<&RunSettings::model, &ModelConfig::layers>(...)
// binds a key to the field that it fills. The field's type determines the conversion.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "launch/config/config_key.h"
#include "launch/config/model_families.h"
#include "launch/config/settings.h"

namespace stagecraft {

/// Converts between a field and a ConfigValue. In the general case the field's type is an
/// alternative of ConfigValue.
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
struct FieldValue<std::uint64_t> {
  static std::uint64_t from(const ConfigValue& value) {
    return static_cast<std::uint64_t>(std::get<std::int64_t>(value));
  }
  static ConfigValue to(std::uint64_t field) { return static_cast<std::int64_t>(field); }
};

template <>
struct FieldValue<std::optional<std::string>> {
  static std::optional<std::string> from(const ConfigValue& value) {
    return std::get<std::string>(value);
  }
  static ConfigValue to(const std::optional<std::string>& field) { return field.value_or(""); }
};

template <>
struct FieldValue<const ModelFamily*> {
  static const ModelFamily* from(const ConfigValue& value) {
    return &model_family(std::get<std::string>(value));
  }
  static ConfigValue to(const ModelFamily* family) { return std::string(family->name); }
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

/// Makes an entry of the table: a key that fills a field. The field's initial value is the default.
template <auto Table, auto Field>
ConfigKey key(std::string name, KeyType type, OnResume on_resume, std::string help,
              Range range = {}) {
  ConfigKey entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.on_resume = on_resume;
  entry.help = std::move(help);
  entry.set = &KeyBinding<Table, Field>::set;
  entry.get = &KeyBinding<Table, Field>::get;
  entry.range = range;
  return entry;
}

// These return the entry with one more property.
inline ConfigKey needed(ConfigKey entry, Need need = Need::always) {
  entry.need = need;
  return entry;
}
inline ConfigKey computed(ConfigKey entry, std::string from_what) {
  entry.computed = std::move(from_what);
  return entry;
}
inline ConfigKey among(ConfigKey entry, std::vector<Choice> choices) {
  entry.choices = std::move(choices);
  return entry;
}
inline ConfigKey not_empty(ConfigKey entry) {
  entry.min_entries = 1;
  return entry;
}

inline constexpr double kMaxSteps = 2147483647;  // a layer counts steps in 32 bits
inline constexpr double kMaxLayers = 65536;

constexpr Range from(double min) { return {.min = min}; }
constexpr Range above(double min) { return {.min = min, .min_open = true}; }
constexpr Range within(double min, double max) { return {.min = min, .max = max}; }
inline constexpr Range kUnitOpen{.min = 0, .max = 1, .max_open = true};

/// The names of a list of presets.
template <typename Presets>
std::vector<Choice> choices_of(const Presets& presets) {
  std::vector<Choice> choices;
  for (const auto& preset : presets) {
    choices.push_back({std::string(preset.name)});
  }
  return choices;
}

/// The keys of all sections, concatenated.
inline Keys concatenated(const std::vector<Keys>& sections) {
  Keys all;
  for (const Keys& section : sections) {
    all.insert(all.end(), section.begin(), section.end());
  }
  return all;
}

}  // namespace stagecraft
