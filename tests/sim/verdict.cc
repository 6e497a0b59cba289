#include "verdict.h"

#include "core/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace holdfast::sim {

using core::PaymentIntentStatus;

namespace {

class Examination {
  public:
    Examination(Evidence evidence, std::vector<std::string>& findings)
        : books_(evidence.books),
          identity_(evidence.identity),
          findings_(findings),
          payments_(evidence.store.all<core::PaymentIntent>()),
          charges_(evidence.store.all<core::Charge>()),
          refunds_(evidence.store.all<core::Refund>()),
          operations_(evidence.store.all<core::Operation>()),
          audit_(evidence.store.audit()) {}

    void rows() {
        for (const auto& finding : audit_.findings) {
            findings_.push_back(fmt::format("audit: {} {}: expected {}, found {}", finding.check,
                                            finding.subject, finding.expected, finding.actual));
        }
        for (const core::Operation& operation : operations_) {
            if (operation.state == core::OperationState::Started) {
                findings_.push_back("open: operation " + operation.id.str());
            }
        }
        for (const core::PaymentIntent& payment : payments_) {
            if (payment.status == PaymentIntentStatus::Processing || payment.active_operation) {
                findings_.push_back("not settled: payment " + payment.id.str());
            }
        }
        for (const core::Refund& refund : refunds_) {
            if (refund.status == core::RefundStatus::Pending) {
                findings_.push_back("not settled: refund " + refund.id.str());
            }
        }
    }

    /// Who was told that nothing was done must find nothing done.
    void not_done(const Client& client) {
        for (const core::Operation& operation : operations_) {
            if (operation.account != client.account() ||
                !client.told_not_done(operation.request.replay_key))
                continue;
            findings_.push_back("operation " + operation.id.str() +
                                " was started by a request that was told otherwise");
        }
        for (const auto& told : client.told()) {
            const bool there = std::ranges::find(payments_, told->payment,
                                                 &core::PaymentIntent::id) != payments_.end();
            if (there && client.told_not_done(told->creation))
                complain(*told, "was made by a request that was told otherwise");
        }
    }

    void purchase(const Purchase& told) {
        auto of_it = [&](const core::PaymentIntent& payment) {
            auto id = payment.details.metadata.find(gateway::purchase_id_key);
            return id != payment.details.metadata.end() && id->second == told.id;
        };
        auto payment = std::ranges::find_if(payments_, of_it);
        if (std::ranges::count_if(payments_, of_it) > 1) complain(told, "is two payments");
        gateway::Purchase ledger{.purchase_id = told.id};
        if (payment != payments_.end()) {
            ledger.net_minor = payment->amount_received_minor - refunded(payment->id);
            ledger.held_minor = payment->amount_capturable_minor;
            ledger.charges = ledger.net_minor > 0 ? 1 : 0;
            said(told, *payment);
        } else if (told.told_there || !told.told_declined.empty()) {
            complain(told, "was acknowledged and is lost");
        }
        auto booked = books_.purchases_of(told.id);
        gateway::Purchase acquirer = booked.empty() ? gateway::Purchase{} : booked.front();
        compare(told, "charges", ledger.charges, acquirer.charges);
        compare(told, "net", ledger.net_minor, acquirer.net_minor);
        compare(told, "held", ledger.held_minor, acquirer.held_minor);
        if (acquirer.net_minor > told.amount_minor) complain(told, "was charged more than asked");
    }

  private:
    std::int64_t refunded(Id<core::PaymentIntent> payment) const {
        std::int64_t sum = 0;
        for (const core::Refund& refund : refunds_) {
            bool counts =
                refund.payment_intent == payment && refund.status == core::RefundStatus::Succeeded;
            if (counts) sum += refund.amount.minor;
        }
        return sum;
    }

    /// Whatever a client was told is so, and stays so.
    void said(const Purchase& told, const core::PaymentIntent& payment) {
        bool succeeded = payment.status == PaymentIntentStatus::Succeeded;
        if (told.told_received_minor) {
            if (!succeeded) complain(told, "was told to be paid and is not");
            compare(told, "received", *told.told_received_minor, payment.amount_received_minor);
        }
        bool canceled = payment.status == PaymentIntentStatus::Canceled;
        if (told.told_canceled && !canceled) complain(told, "was told to be canceled and is not");
        auto note = payment.details.metadata.find("note");
        int noted = note == payment.details.metadata.end() ? 0 : std::stoi(note->second);
        if (noted < told.told_note) complain(told, "lost a change that was acknowledged");
        bool held = payment.status == PaymentIntentStatus::RequiresCapture;
        const bool kept = !told.told_held || held || succeeded || canceled;
        if (!kept && !was_tried_there(payment, *told.told_held)) {
            complain(told, "was told to be held and is not");
        }
        for (Id<core::Refund> id : told.told_refunded) {
            auto refund = std::ranges::find(refunds_, id, &core::Refund::id);
            bool there =
                refund != refunds_.end() && refund->status == core::RefundStatus::Succeeded;
            if (!there) complain(told, "was told a refund that did not happen");
        }
        for (const auto& [id, attempt] : told.told_declined) {
            const bool there = std::ranges::find(charges_, id, &core::Charge::id) != charges_.end();
            if (!there && !was_tried_there(payment, attempt))
                complain(told, "was told a decline that is not recorded");
        }
    }

    /// Has this attempt of the payment, or a later one, begun in the database? To that one
    /// everything gives way that was decided without it, too: the primary key picks one winner,
    /// every other approval is reversed and no other decline is recorded (docs/concepts/
    /// stand-in.md). Where stand-in alone has asked the acquirer its word stands.
    bool was_tried_there(const core::PaymentIntent& payment, std::int32_t attempt) const {
        return std::ranges::any_of(operations_, [&](const core::Operation& operation) {
            if (operation.payment_intent != payment.id) return false;
            for (std::int32_t n = attempt; n <= payment.failed_attempts; ++n)
                if (identity_.authorization(payment.account, payment.id, n) == operation.id)
                    return true;
            return false;
        });
    }

    void compare(const Purchase& told, std::string_view what, std::int64_t ours,
                 std::int64_t theirs) {
        if (ours == theirs) return;
        complain(told, fmt::format("{}: {} here, {} there", what, ours, theirs));
    }
    void complain(const Purchase& told, std::string_view what) {
        findings_.push_back(fmt::format("purchase {} ({}): {}", told.id, told.payment.str(), what));
    }

    const gateway::Books& books_;
    const core::Identity& identity_;
    std::vector<std::string>& findings_;
    std::vector<core::PaymentIntent> payments_;
    std::vector<core::Charge> charges_;
    std::vector<core::Refund> refunds_;
    std::vector<core::Operation> operations_;
    store::AuditReport audit_;
};

} // namespace

void examine(Evidence evidence, const std::vector<std::unique_ptr<Client>>& clients,
             std::vector<std::string>& findings) {
    Examination examination(evidence, findings);
    examination.rows();
    for (const auto& client : clients) {
        for (const auto& purchase : client->told()) examination.purchase(*purchase);
        examination.not_done(*client);
    }
}

} // namespace holdfast::sim
