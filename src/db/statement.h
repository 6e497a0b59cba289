#pragma once

// Statement: one SQL statement with a name, as a constant.
//
//   inline constexpr Statement kFindIntent{
//       "find_intent", "SELECT ... FROM payment_intents WHERE account_id = $1 AND id = $2",
//       {oid::uuid, oid::uuid}};
//
// A connection prepares it when it is first used there, in the same pipeline, and remembers the
// name; so a name means one text in the whole program (CHECKed), and both have static storage.
// The parameter types are declared here and CHECKed against the arguments of Pipeline::add: a
// statement is never prepared twice with types guessed differently.

#include "db/wire.h"

#include <array>
#include <cstddef>
#include <initializer_list>
#include <span>

namespace holdfast::db {

class ParamTypes {
  public:
    static constexpr std::size_t max_params = 64;

    constexpr ParamTypes() = default;
    constexpr ParamTypes(std::initializer_list<Oid> types) {
        for (Oid type : types) types_.at(count_++) = type;
    }
    constexpr void append(Oid type) { types_.at(count_++) = type; }
    constexpr std::span<const Oid> span() const { return {types_.data(), count_}; }

  private:
    std::array<Oid, max_params> types_{};
    std::size_t count_ = 0;
};

struct Statement {
    const char* name;
    const char* sql;
    ParamTypes param_oids{};
};

} // namespace holdfast::db
