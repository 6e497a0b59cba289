#pragma once

// Fakes for the tests of this folder: a store whose lanes fail where a test says so, and an
// acquirer that answers what a test says. Both keep a record of what was asked.
//
// A lane fault may be applied (the database did it, the answer was lost) or not; resolve() then
// tells which, as the real one does by the seal.

#include "gateway/connector.h"
#include "net/timer.h"
#include "store/model_store.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>
#include <variant>
#include <vector>

namespace holdfast::processor {

struct LaneCall {
    enum class Kind : std::uint8_t { Begin, Commit, Rollback, Resolve, Reopen };
    Kind kind = Kind::Begin;
    int lane = 0; ///< in the order of opening: the normal ones, slow, suspect
    std::size_t commands = 0;
    std::vector<core::RowKey> keys{}; ///< of a begin: what it needs
    bool needs(const core::RowKey& key) const { return std::ranges::find(keys, key) != keys.end(); }
};
struct LaneFault {
    Error error;
    bool applied = false; ///< of a commit: it happened all the same
};
using LaneFaults = std::function<std::optional<LaneFault>(const LaneCall&)>;

class ScriptedLane final : public store::Lane {
  public:
    ScriptedLane(std::unique_ptr<store::Lane> inner, int number, const LaneFaults& faults,
                 std::vector<LaneCall>& calls)
        : inner_(std::move(inner)), number_(number), faults_(faults), calls_(calls) {}

    const Uuid& id() const override { return inner_->id(); }

    net::Task<store::Batch> begin(std::vector<core::Needs> needs, store::LockMode mode,
                                  net::Deadline deadline) override {
        std::vector<core::RowKey> keys;
        for (const core::Needs& one : needs)
            for (const core::RowRef& row : one.rows) keys.push_back(row.key);
        auto fault = note(LaneCall::Kind::Begin, needs.size(), std::move(keys));
        if (fault) co_return fail(fault->error);
        co_return co_await inner_->begin(std::move(needs), mode, deadline);
    }
    net::Task<void> commit(core::UnitOfWork work, std::int32_t commands,
                           net::Deadline deadline) override {
        auto fault = note(LaneCall::Kind::Commit, static_cast<std::size_t>(commands));
        lost_.reset();
        if (fault && !fault->applied) {
            if (fault->error.kind == ErrorClass::Unknown) lost_ = false;
            CO_TRY_VOID(co_await inner_->rollback(deadline));
            co_return fail(fault->error);
        }
        auto committed = co_await inner_->commit(std::move(work), commands, deadline);
        if (!fault || !committed) co_return committed;
        lost_ = true;
        co_return fail(fault->error);
    }
    net::Task<void> rollback(net::Deadline deadline) override {
        if (auto fault = note(LaneCall::Kind::Rollback)) co_return fail(fault->error);
        co_return co_await inner_->rollback(deadline);
    }
    net::Task<bool> resolve(net::Deadline deadline) override {
        if (auto fault = note(LaneCall::Kind::Resolve)) co_return fail(fault->error);
        if (!lost_) co_return co_await inner_->resolve(deadline);
        CO_TRY_VOID(co_await inner_->reopen(deadline));
        co_return *lost_;
    }
    net::Task<void> reopen(net::Deadline deadline) override {
        if (auto fault = note(LaneCall::Kind::Reopen)) co_return fail(fault->error);
        co_return co_await inner_->reopen(deadline);
    }

  private:
    std::optional<LaneFault> note(LaneCall::Kind kind, std::size_t commands = 0,
                                  std::vector<core::RowKey> keys = {}) {
        calls_.push_back({kind, number_, commands, std::move(keys)});
        return faults_ ? faults_(calls_.back()) : std::nullopt;
    }

    std::unique_ptr<store::Lane> inner_;
    int number_;
    const LaneFaults& faults_;
    std::vector<LaneCall>& calls_;
    std::optional<bool> lost_; ///< was the commit whose answer was lost applied?
};

class ScriptedStore final : public store::ModelStore {
  public:
    using ModelStore::ModelStore;
    LaneFaults faults;
    std::vector<LaneCall> calls;

    net::Task<std::unique_ptr<store::Lane>> open_lane(net::Deadline deadline) override {
        CO_TRY(auto inner, co_await ModelStore::open_lane(deadline));
        co_return std::make_unique<ScriptedLane>(std::move(inner), opened_++, faults, calls);
    }
    std::vector<LaneCall> calls_of(LaneCall::Kind kind) const {
        std::vector<LaneCall> found;
        for (const LaneCall& call : calls) {
            if (call.kind == kind) found.push_back(call);
        }
        return found;
    }

    int opened() const { return opened_; }

  private:
    int opened_ = 0;
};

/// Answers from a list per kind of call; when that is empty: Approved to execute and inquire, as
/// which it was executed first, Reversed to reverse. A Silence lasts until the deadline and is
/// Unknown.
class ScriptedConnector final : public gateway::Connector {
  public:
    struct Silence {};
    using Reply = std::variant<gateway::AcquirerAnswer, Error, Silence>;
    std::deque<Reply> executions, inquiries, reversals;
    std::vector<core::Operation> executed;
    std::vector<Id<core::Operation>> inquired, reversed;

    net::Task<gateway::Vaulted> tokenize(Id<core::Account>, gateway::CardData,
                                         net::Deadline) override {
        co_return fail(ErrorClass::Unavailable, "not_here", "No vault.");
    }
    net::Task<gateway::Vaulted> look_up(std::string, net::Deadline) override {
        co_return fail(ErrorClass::NotFound, "vault_token_unknown", "No vault.");
    }
    net::Task<gateway::AcquirerAnswer> execute(core::Operation operation,
                                               net::Deadline deadline) override {
        executed.push_back(operation);
        auto answer = co_await reply(executions, gateway::Finding::Approved, deadline);
        if (answer && answer->finding == gateway::Finding::Approved && !answer->executed_as)
            answer->executed_as = approved_.try_emplace(operation.id, operation.kind).first->second;
        co_return answer;
    }
    net::Task<gateway::AcquirerAnswer> inquire(Id<core::Operation> reference,
                                               net::Deadline deadline) override {
        inquired.push_back(reference);
        auto answer = co_await reply(inquiries, gateway::Finding::Approved, deadline);
        if (auto known = approved_.find(reference); answer && known != approved_.end())
            answer->executed_as = known->second;
        co_return answer;
    }
    net::Task<gateway::AcquirerAnswer> reverse(Id<core::Operation> reference,
                                               net::Deadline deadline) override {
        reversed.push_back(reference);
        return reply(reversals, gateway::Finding::Reversed, deadline);
    }
    net::Task<std::vector<gateway::BookLine>> list_since(std::string, int, net::Deadline) override {
        co_return std::vector<gateway::BookLine>{};
    }

    static Error unknown() { return {.kind = ErrorClass::Unknown, .code = "acquirer_answer_lost"}; }
    static Error unsent() {
        return {.kind = ErrorClass::Unavailable, .code = "acquirer_unavailable"};
    }

  private:
    std::unordered_map<Id<core::Operation>, core::OperationKind> approved_; ///< as which, first

    net::Task<gateway::AcquirerAnswer> reply(std::deque<Reply>& replies, gateway::Finding otherwise,
                                             net::Deadline deadline) {
        Reply next = gateway::AcquirerAnswer{.finding = otherwise};
        if (!replies.empty()) {
            next = std::move(replies.front());
            replies.pop_front();
        }
        if (std::holds_alternative<Silence>(next)) {
            CO_TRY_VOID(co_await net::sleep_until(deadline.when()));
            co_return fail(unknown());
        }
        if (auto* error = std::get_if<Error>(&next)) co_return fail(*error);
        co_return std::get<gateway::AcquirerAnswer>(next);
    }
};

} // namespace holdfast::processor
