#include <caf/all.hpp>
#include <catch2/catch.hpp>
#include <limits>

#include "actors/protocol/messages.h"
#include "stages/channels/pass.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

/// Searches all fields of a message, recursively, for a floating-point number.
struct FloatSeeker {
  using result_type = caf::error;
  template <class... Ts>
  caf::error operator()(Ts&&... fields) {
    (look(fields), ...);
    return caf::none;
  }
  template <class T>
  void look(T& field) {
    using Field = std::remove_cv_t<T>;
    found = found || std::is_floating_point_v<Field>;
    if constexpr (requires(Field & x, FloatSeeker & f) { inspect(f, x); }) {
      inspect(*this, const_cast<Field&>(field));
    } else if constexpr (requires { typename Field::value_type; }) {
      typename Field::value_type element{};
      look(element);
    }
  }
  bool found = false;
};

struct WithDouble {
  double x = 0;
};
template <class Inspector>
auto inspect(Inspector& f, WithDouble& x) {
  return f(caf::meta::type_name("WithDouble"), x.x);
}

template <class T>
bool has_float() {
  FloatSeeker seeker;
  T message{};
  inspect(seeker, message);
  return seeker.found;
}

template <class... Ts>
std::vector<bool> floats_of(MessageList<Ts...>) {
  return {has_float<Ts>()...};
}

TEST_CASE("no message has a floating-point field") {
  CHECK(has_float<WithDouble>());  // the seeker itself works
  for (const bool found : floats_of(AllMessages{})) {
    CHECK_FALSE(found);
  }
}

TEST_CASE("numbers survive as bits, special values included") {
  for (const double value : {0.0, -0.0, 1.5, std::numeric_limits<double>::infinity(),
                             std::numeric_limits<double>::denorm_min()}) {
    CHECK(to_wire(from_wire(to_wire(value))) == to_wire(value));
  }
}

TEST_CASE("an envelope keeps every field through CAF's serialisation") {
  caf::actor_system_config config;
  caf::actor_system system(config);
  Envelope envelope{.generation = 3,
                    .edge = {1, 2, Payload::gradient},
                    .sequence = 77,
                    .pass = {PassKind::evaluate, 12, 4},
                    .chunk = 5,
                    .microbatch = 9,
                    .shape = {4, 256, 768},
                    .dtype = DType::bfloat16};
  std::vector<char> bytes;
  caf::binary_serializer writer(system, bytes);
  REQUIRE_FALSE(writer(envelope));
  Envelope copy;
  caf::binary_deserializer reader(system, bytes);
  REQUIRE_FALSE(reader(copy));
  CHECK(copy.generation == envelope.generation);
  CHECK(copy.edge == envelope.edge);
  CHECK(copy.sequence == envelope.sequence);
  CHECK(copy.pass == envelope.pass);
  CHECK(copy.shape == envelope.shape);
  CHECK(copy.dtype == envelope.dtype);
  CHECK(copy.microbatch == envelope.microbatch);
  CHECK(copy.chunk == envelope.chunk);
}

}  // namespace
}  // namespace stagecraft
