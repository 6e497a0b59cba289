#pragma once

// Pipeline: statements with their parameters that go to the server in one round trip, under one
// Sync. Without begin() and commit() they are one implicit transaction; with them a transaction
// can span several pipelines on one connection.
//
//   Pipeline first;                                   // two round trips, one transaction
//   first.begin();
//   const auto locked = first.add(kLockIntents, accounts, ids);
//   CO_TRY(auto rows, co_await connection.run(first, deadline));   // rows[locked]
//   ... decide ...
//   Pipeline second;
//   second.add(kUpdateIntents, accounts, ids, states);
//   second.commit();
//   CO_TRY_VOID(co_await connection.run(second, deadline));
//
// add() answers the index of the statement's result. Parameters are copied, all into one buffer;
// keep the object and clear() it, and the next batch allocates nothing.
//
// Effect::Read says that nothing in it changes data: a lost answer is then Unavailable or Deadline
// and the caller may simply ask again. Else a lost answer to what could have committed (a commit(),
// or an implicit transaction) is ErrorClass::Unknown.
//
// Timeouts: the server's statement_timeout and lock_timeout are set for every transaction: the
// connection's own limits, shortened to the deadline; limit() lowers or raises them for this one.
//
// Limits: parameters together at most max_parameter_bytes, else run() answers "pipeline_too_large".

#include "db/params.h"
#include "db/statement.h"
#include "db/timeouts.h"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace holdfast::db {

enum class Effect : std::uint8_t { Write, Read };

class Pipeline {
  public:
    explicit Pipeline(Effect effect = Effect::Write) : effect_(effect) {}

    std::size_t begin();
    /// A transaction that only reads, all of it as of one moment: for checks and exports.
    std::size_t begin_snapshot();
    /// The last statement of its pipeline.
    std::size_t commit();
    std::size_t rollback();

    template <class... Args> std::size_t add(const Statement& statement, const Args&... args) {
        const std::size_t index = open_step(&statement);
        (add_value<Args>(args), ...);
        check_types(index);
        return index;
    }
    /// A statement used once: parsed each time. One command, no COMMIT in it.
    template <class... Args> std::size_t add_sql(std::string sql, const Args&... args) {
        const std::size_t index = open_step(std::move(sql));
        (add_value<Args>(args), ...);
        return index;
    }

    void limit(Timeouts timeouts) { timeouts_ = timeouts; }

    /// Empties it and keeps the memory.
    void clear();
    std::size_t size() const { return steps_.size(); }
    /// What it is known by to people: its first statement that is not BEGIN; "sql" when that is
    /// text.
    std::string_view name() const;
    bool empty() const { return steps_.empty(); }

    // For the connection.
    struct Step {
        const Statement* statement; ///< null: sql_texts()[sql]
        std::size_t sql;
        std::size_t first_value, values;
    };
    struct Value {
        Oid type;
        std::int32_t length; ///< -1: NULL
        std::size_t offset;
    };
    std::span<const Step> steps() const { return steps_; }
    std::span<const Value> values(const Step& step) const {
        return std::span(values_).subspan(step.first_value, step.values);
    }
    const std::string& bytes() const { return bytes_; }
    const std::string& sql(const Step& step) const { return sql_texts_[step.sql]; }
    Effect effect() const { return effect_; }
    bool begins() const { return begins_; }
    bool commits() const { return commits_; }
    const std::optional<Timeouts>& timeouts() const { return timeouts_; }

  private:
    std::size_t open_step(const Statement* statement);
    std::size_t open_step(std::string sql);
    void check_types(std::size_t index) const;

    template <class T> void add_value(const T& value) {
        const std::size_t offset = bytes_.size();
        const bool present = Param<T>::append(bytes_, value);
        close_value(Param<T>::oid, offset, present);
    }
    void close_value(Oid type, std::size_t offset, bool present);

    Effect effect_;
    bool begins_ = false;
    bool commits_ = false;
    bool ends_ = false; ///< nothing may follow
    std::optional<Timeouts> timeouts_;
    std::string bytes_;
    std::vector<Value> values_;
    std::vector<Step> steps_;
    std::vector<std::string> sql_texts_;
};

} // namespace holdfast::db
