#pragma once

// Client: a merchant's server that takes one payment after the other, as badly as real ones do: it
// retries under the same key at another instance, sends twice at once, gives up half-way, confirms
// again under a new key, changes its customer meanwhile, and captures, cancels and refunds. It
// writes down what it was told; the verdict compares that with the books. What it can judge by
// itself it complains about: a key that is answered in two ways, an error that can't be right.

#include "dice.h"

#include "core/command.h"
#include "core/identity.h"
#include "core/objects.h"
#include "net/timer.h"
#include "processor/processor.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace holdfast::sim {

using net::Deadline;
using net::Task;

/// What a client was told about one purchase; every line of it must hold in the end.
struct Purchase {
    std::string id; ///< metadata[purchase_id], in the acquirer's books too
    std::int64_t amount_minor = 0;
    Id<core::PaymentIntent> payment;
    Uuid creation;                                   ///< replay key of the request that makes it
    std::optional<std::int64_t> told_received_minor; ///< succeeded, with so much
    bool told_there = false;                         ///< an answer has shown it, in any state
    std::optional<std::int32_t> told_held;           ///< requires_capture, by that attempt
    bool told_canceled = false;
    std::map<Id<core::Charge>, std::int32_t> told_declined; ///< and the number of the attempt
    std::vector<Id<core::Refund>> told_refunded;
    int told_note = 0; ///< the newest metadata[note] that was acknowledged; they only rise
};

/// The way to the instances.
struct Wire {
    net::Loop& loop;
    Env& env;
    const core::Identity& identity;
    Id<core::Account> account;
    bool stands_in = false;      ///< an answer may give way to what the database has
    bool answers_expire = false; ///< so soon that a retry may find its cached answer gone
    int nodes = 2;
    /// One request to one instance. Error Unknown: the connection broke, or the answer was lost.
    std::function<Task<processor::Outcome>(int node, core::Command, Duration patience)> send;
    /// What a page would show: the payment as it is stored.
    std::function<Task<std::optional<core::PaymentIntent>>(Id<core::PaymentIntent>)> look;
    std::function<void(const std::string&)> note; ///< for --verbose; may be empty
};

class Client {
  public:
    /// `keys` is in front of its idempotency keys; clients of two accounts may share it.
    Client(Wire wire, std::uint64_t seed, std::string name, std::string keys, int purchases)
        : wire_(std::move(wire)),
          dice_(seed),
          name_(std::move(name)),
          key_prefix_(std::move(keys)),
          purchases_(purchases) {}

    Task<void> run();
    const std::vector<std::unique_ptr<Purchase>>& told() const { return told_; }
    /// One key answered with two objects, or an answer that can't be: empty when all was well.
    const std::string& complaint() const { return complaint_; }
    Id<core::Account> account() const { return wire_.account; }
    /// Was every answer to this request that nothing was done?
    bool told_not_done(const Uuid& replay_key) const {
        return told_not_done_.contains(replay_key) && !maybe_done_.contains(replay_key);
    }

  private:
    enum class Card : std::uint8_t { Good, Declined, RefundFails };
    using Answer = std::optional<Result<processor::Outcome>>; ///< empty: gave up

    Task<void> purchase(Purchase& purchase);
    Task<void> settle(Purchase& purchase, core::PaymentIntent payment);
    Task<void> confirm_again(Purchase& purchase);
    Task<void> refund(Purchase& purchase);
    Task<void> take_note(Purchase& purchase);
    Task<void> have_customer();
    /// Changes the customer until `done`.
    Task<void> meddle(std::shared_ptr<bool> done);

    /// Sends until there is an answer that a retry can't change.
    bool was_told_of(Id<core::PaymentIntent> payment) const;
    Task<std::optional<processor::Outcome>> insist(core::Command command);
    Task<void> ask_again(core::Command command);
    Task<void> send_into(core::Command command, int node, Result<processor::Outcome>& result);
    Task<Result<processor::Outcome>> send_twice(core::Command command);
    void learn(Purchase& purchase, const processor::Outcome& outcome);
    void same_answer(const core::Command& command, const processor::Outcome& outcome);
    void complain(std::string text);

    core::RequestContext new_key();
    core::Command with(core::RequestContext request, core::CommandBody body);
    core::PaymentMethodChoice card(const core::RequestContext& request, Card card);
    Card any_card();
    bool gives_up() { return dice_.chance(4); }
    Duration pause(int up_to_ms) {
        return dice_.between(Duration{0}, std::chrono::milliseconds{up_to_ms});
    }
    void note(const std::string& text);

    Wire wire_;
    Dice dice_;
    std::string name_, key_prefix_;
    int purchases_;
    int keys_ = 0;
    Id<core::Customer> customer_; ///< nil until one was made
    std::vector<std::unique_ptr<Purchase>> told_;
    std::map<std::string, std::string> answers_; ///< by idempotency key
    std::set<Uuid> told_not_done_, maybe_done_;  ///< by replay key
    std::string complaint_;
};

} // namespace holdfast::sim
