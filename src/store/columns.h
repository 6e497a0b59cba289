#pragma once

// Columns<T...>: some columns of some rows, on their way into a set-based statement: one array per
// column, one append per row. send() adds a statement whose parameters are several of them in turn.
//
//   Columns<Id<Account>, Uuid> keys;
//   Columns<std::int32_t, core::ChargeStatus> state;
//   for (...) { keys.append(row.account, row.id.uuid()); state.append(row.version, row.status); }
//   send(pipeline, Sql<charges>::update, keys, state);

#include "db/params.h"
#include "db/pipeline.h"

#include <tuple>

namespace holdfast::store {

template <class... T> class Columns {
  public:
    static constexpr std::size_t count = sizeof...(T);

    template <class... Values> void append(const Values&... values) {
        static_assert(sizeof...(Values) == count);
        std::apply([&](auto&... array) { (array.append(values), ...); }, arrays_);
    }
    bool empty() const { return std::get<0>(arrays_).empty(); }

    const std::tuple<db::ParamArray<T>...>& arrays() const { return arrays_; }

  private:
    std::tuple<db::ParamArray<T>...> arrays_;
};

template <class... Some>
std::size_t send(db::Pipeline& pipeline, const db::Statement& statement, const Some&... columns) {
    const auto references = [](const auto& arrays) {
        return std::apply([](const auto&... array) { return std::tie(array...); }, arrays);
    };
    return std::apply([&](const auto&... array) { return pipeline.add(statement, array...); },
                      std::tuple_cat(references(columns.arrays())...));
}

} // namespace holdfast::store
