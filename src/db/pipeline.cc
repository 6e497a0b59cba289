#include "db/pipeline.h"

#include "db/own_statements.h"

#include <algorithm>

namespace holdfast::db {

std::size_t Pipeline::begin() {
    begins_ = true;
    return open_step(&own_statements::begin);
}

std::size_t Pipeline::begin_snapshot() {
    begins_ = true;
    return open_step(&own_statements::begin_snapshot);
}

std::size_t Pipeline::commit() {
    const std::size_t index = open_step(&own_statements::commit);
    ends_ = commits_ = true;
    return index;
}

std::size_t Pipeline::rollback() {
    const std::size_t index = open_step(&own_statements::rollback);
    ends_ = true;
    return index;
}

std::string_view Pipeline::name() const {
    for (const Step& step : steps_) {
        if (step.statement == &own_statements::begin ||
            step.statement == &own_statements::begin_snapshot)
            continue;
        return step.statement ? step.statement->name : "sql";
    }
    return "empty";
}

void Pipeline::clear() {
    begins_ = commits_ = ends_ = false;
    timeouts_.reset();
    bytes_.clear();
    values_.clear();
    steps_.clear();
    sql_texts_.clear();
}

std::size_t Pipeline::open_step(const Statement* statement) {
    CHECK_MSG(!ends_, "commit() and rollback() come last");
    steps_.push_back(
        {.statement = statement, .sql = 0, .first_value = values_.size(), .values = 0});
    return steps_.size() - 1;
}

std::size_t Pipeline::open_step(std::string sql) {
    const std::size_t index = open_step(nullptr);
    steps_.back().sql = sql_texts_.size();
    sql_texts_.push_back(std::move(sql));
    return index;
}

void Pipeline::close_value(Oid type, std::size_t offset, bool present) {
    const std::size_t length = bytes_.size() - offset;
    // Past the limit run() refuses the whole; here it only must not overflow.
    values_.push_back(
        {.type = type,
         .length = present ? static_cast<std::int32_t>(std::min(length, max_parameter_bytes)) : -1,
         .offset = offset});

    ++steps_.back().values;
}

void Pipeline::check_types(std::size_t index) const {
    const Step& step = steps_[index];
    const auto declared = step.statement->param_oids.span();
    CHECK_MSG(declared.size() == step.values, step.statement->name);
    for (std::size_t i = 0; i < step.values; ++i) {
        CHECK_MSG(declared[i] == values_[step.first_value + i].type, step.statement->name);
    }
}

} // namespace holdfast::db
