#pragma once

// ProcessorTest: a processor over the fakes on simulated time, and what tests of it need: commands
// by the number of their key, several calls under way at once, what was stored. Only for the tests
// of this folder.

#include "base/journal_memory.h"
#include "core/snapshot.h"
#include "net/sim_loop.h"
#include "processor/fakes.h"
#include "processor/processor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace holdfast::processor {

using core::OperationState;
using core::PaymentIntentStatus;
using gateway::AcquirerAnswer;
using gateway::Finding;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline Deadline in(Duration duration) { return Deadline::after(duration); }

class ProcessorTest : public testing::Test {
  protected:
    ProcessorTest() {
        account_.id = Id<core::Account>::time_ordered(env_);
        account_.public_id = account_.id;
        store_.set_faults({.latency_min = milliseconds{1}, .latency_max = milliseconds{1}});
        EXPECT_TRUE(run(store_.create_account(account_, Deadline::after(seconds{1}))).has_value());
    }
    ~ProcessorTest() override {
        if (processor_)
            EXPECT_TRUE(run(processor_->drain(Deadline::after(seconds{60}))).has_value());
        EXPECT_EQ(bugs_found(), bugs_);
    }

    template <class T> Result<T> run(Task<T> task) {
        return sim_.run(std::move(task), std::chrono::minutes{10});
    }

    Processor& processor() {
        if (!processor_) {
            auto made = run(Processor::create(
                sim_.loop(), env_, store_, connector_, identity_,
                [this](Id<core::Account> id) { return id == account_.id ? &account_ : nullptr; },
                options_, command_logs(), marks_));
            EXPECT_TRUE(made.has_value());
            processor_ = std::move(*made);
        }
        return *processor_;
    }

    CommandLogs command_logs() {
        CommandLogs logs;
        if (stands_in_) logs.own = command_log(*own_disk_);
        if (left_disk_ != nullptr) logs.left.push_back(command_log(*left_disk_));
        return logs;
    }

    std::unique_ptr<CommandLog> command_log(MemoryDisk& disk) {
        auto journal =
            Journal::open(disk.mount(), SecretString{"secret of the command log"},
                          {.segment_bytes = segment_bytes_min, .bytes_max = 4 * segment_bytes_min});
        EXPECT_TRUE(journal.has_value());
        auto log = CommandLog::create(sim_.loop(), offload_, std::move(*journal));
        EXPECT_TRUE(log.has_value());
        return std::move(*log);
    }

    core::RequestContext keyed(int key) {
        core::RequestContext request;
        request.idempotency_key = "key-" + std::to_string(key);
        request.replay_key = identity_.replay_key(account_.id, "/v1/x", request.idempotency_key);
        request.fingerprint = 1;
        request.request_id = Uuid::time_ordered(env_);
        return request;
    }

    core::Command create(int key, bool confirm = true) {
        core::CreatePaymentIntent body;
        core::RequestContext request = keyed(key);
        body.payment_intent.id =
            identity_.created_by<core::PaymentIntent>(account_.id, request.replay_key);
        body.payment_intent.amount = {1000, {}};
        body.confirm = confirm;
        core::PaymentMethod card;
        card.id = identity_.created_by<core::PaymentMethod>(account_.id, request.replay_key);
        card.vault_token = "vault";
        body.payment_method = core::PaymentMethodChoice{.id = card.id, .create = card};
        return {account_.id, std::move(request), env_.wall(), std::move(body)};
    }
    Id<core::PaymentIntent> payment_of(int key) {
        return identity_.created_by<core::PaymentIntent>(account_.id, keyed(key).replay_key);
    }
    core::Command describe(int payment, std::string text) {
        core::UpdatePaymentIntent body{.id = payment_of(payment)};
        body.description = {true, std::move(text)};
        return {account_.id, {}, env_.wall(), std::move(body)};
    }
    core::Command refund(int payment, int key, std::optional<std::int64_t> amount = {}) {
        core::RequestContext request = keyed(key);
        core::CreateRefund body{
            .id = identity_.created_by<core::Refund>(account_.id, request.replay_key),
            .payment_intent = payment_of(payment),
            .amount_minor = amount};
        return {account_.id, std::move(request), env_.wall(), std::move(body)};
    }

    core::RowKey row_of(int key) { return {account_.id, payment_of(key).uuid()}; }
    /// A fault of the store: the page of that payment is damaged.
    LaneFaults damaged(int key) {
        return [row = row_of(key)](const LaneCall& call) -> std::optional<LaneFault> {
            if (!call.needs(row)) return std::nullopt;
            return LaneFault{
                {.kind = ErrorClass::Io, .code = "data_corrupted", .sqlstate = "XX001"}};
        };
    }
    /// How many batches have asked for that payment.
    std::ptrdiff_t begins_with(int key) {
        return std::ranges::count_if(
            store_.calls, [row = row_of(key)](const LaneCall& call) { return call.needs(row); });
    }

    std::optional<core::PaymentIntent> stored(int key) {
        for (auto& payment : store_.all<core::PaymentIntent>()) {
            if (payment.id == payment_of(key)) return payment;
        }
        return std::nullopt;
    }
    core::Operation only_operation() {
        auto all = store_.all<core::Operation>();
        EXPECT_EQ(all.size(), 1u);
        return all.at(0);
    }
    core::Operation only_of(int key) {
        auto all = store_.all<core::Operation>();
        auto found = std::ranges::find(all, payment_of(key), &core::Operation::payment_intent);
        EXPECT_NE(found, all.end());
        return *found;
    }
    static PaymentIntentStatus status_in(const core::Answer& answer) {
        auto payment = core::restore<core::PaymentIntent>(answer.object);
        EXPECT_TRUE(payment.has_value());
        return payment->status;
    }

    /// Answers of several calls under way at once.
    template <class T> struct Calls {
        explicit Calls(net::Loop& loop) : gate(loop, "test") {}
        net::Gate gate;
        std::map<int, Result<T>> results;
        static Task<void> into(Task<T> task, std::map<int, Result<T>>& results, int n) {
            results.emplace(n, co_await std::move(task));
            co_return Result<void>{};
        }
        void start(int n, Task<T> task) {
            EXPECT_TRUE(gate.spawn(into(std::move(task), results, n)).has_value());
        }
    };
    template <class T> void finish(Calls<T>& calls) {
        EXPECT_TRUE(run(calls.gate.close(Deadline::after(seconds{120}))).has_value());
    }

    std::uint64_t bugs_ = bugs_found();
    SimEnv env_{11};
    struct Installed {
        explicit Installed(Env& env) { env.install(); }
    } installed_{env_};
    net::SimLoop sim_{env_, 11};
    Offload offload_{{.name = "offload"}}; ///< inline, on simulated time
    MemoryDisk disk_, other_disk_;
    MemoryDisk* own_disk_ = &disk_;
    MemoryDisk* left_disk_ = nullptr; ///< of a process that is not started any more
    bool stands_in_ = false;          ///< set before the first use of processor()
    ScriptedStore store_;
    ScriptedConnector connector_;
    core::Identity identity_{SecretString{"0123456789abcdef0123456789abcdef"}};
    core::Account account_;
    Options options_;
    Marks marks_; ///< none: it is alone
    std::unique_ptr<Processor> processor_;
};

} // namespace holdfast::processor
