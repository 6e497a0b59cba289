#include "store/detail/model_audit.h"

#include "core/names.h"
#include "store/detail/model_world.h"
#include "store/seal.h"

#include <fmt/format.h>

namespace holdfast::store {

using core::LedgerAccount;
using core::PostingKind;
using core::RowKey;

namespace {

class Audit {
  public:
    explicit Audit(const ModelWorld& world) : world_(world) {}

    AuditReport run() {
        check_ledger();
        check_seals();
        index_postings();
        check_charges();
        check_payments();
        check_refunds();
        check_operations();
        return std::move(report_);
    }

  private:
    template <class Value>
    void expect(const char* check, std::string subject, Value expected, Value actual) {
        ++report_.checked[check];
        if (expected == actual) return;
        report_.findings.push_back(
            {check, std::move(subject), fmt::to_string(expected), fmt::to_string(actual)});
    }
    template <class T> const auto& rows() const { return world_.table<T>().rows; }

    void check_ledger() {
        std::map<LedgerAccount, std::int64_t> sums;
        for (const auto& [key, entries] : world_.entries) {
            expect("transaction_unbalanced", Id<core::BalanceTransaction>(key.id).str(), true,
                   core::balanced(entries));
            for (const core::Entry& entry : entries) sums[entry.account] += entry.amount_minor;
        }
        std::map<LedgerAccount, std::int64_t> kept = world_.bases;
        for (const core::Delta& delta : world_.deltas) kept[delta.account] += delta.amount_minor;
        for (const auto& [account, _] : sums) kept.try_emplace(account, 0);
        for (const auto& [account, amount_minor] : kept) {
            expect("balance_mismatch",
                   fmt::format("{} {} {}", account.owner.str(), to_string(account.kind),
                               account.currency.code()),
                   sums[account], amount_minor);
        }
    }

    void check_seals() {
        std::int64_t entries = 0, events = 0;
        for (const auto& [lane, chain] : world_.chains) {
            Seal previous = first_predecessor(lane);
            for (const Seal& seal : chain) {
                const std::string name =
                    fmt::format("lane {} seal {}", lane.base62(), seal.sequence);
                expect("seal_gap", name, previous.sequence + 1, seal.sequence);
                expect("seal_chain", name, true,
                       seal.previous == previous.hash && seal.hash == seal_hash(seal));
                entries += seal.entries;
                events += seal.events;
                previous = seal;
            }
        }
        std::int64_t entries_found = 0;
        for (const auto& [_, list] : world_.entries) entries_found += std::ssize(list);
        expect("seal_totals", "entries", entries, entries_found);
        expect("seal_totals", "events", events, std::ssize(rows<core::Event>()));
    }

    void index_postings() {
        for (const auto& [key, row] : rows<core::BalanceTransaction>()) {
            posted_[{row.value.kind, {key.account, row.value.source}}] += row.value.amount.minor;
        }
        for (const auto& [key, row] : rows<core::Event>()) {
            announced_.insert({row.value.type, {key.account, row.value.object_id}});
        }
    }
    std::int64_t posted(PostingKind kind, const RowKey& source) const {
        auto it = posted_.find({kind, source});
        return it == posted_.end() ? 0 : it->second;
    }
    void expect_event(std::string type, std::string subject, const RowKey& object) {
        expect("event_missing", fmt::format("{} {}", subject, type), true,
               announced_.contains({type, object}));
    }

    /// What was authorized and never captured shows as refunded.
    std::int64_t released_minor(const RowKey& key, const core::Charge& charge) const {
        if (charge.captured) return charge.amount.minor - charge.amount_captured_minor;
        const auto* payment =
            world_.table<core::PaymentIntent>().find({key.account, charge.payment_intent.uuid()});
        const bool canceled = payment && payment->status == core::PaymentIntentStatus::Canceled;
        const bool held = charge.status == core::ChargeStatus::Succeeded;
        return canceled && held ? charge.amount.minor : 0;
    }

    void check_charges() {
        std::map<RowKey, std::int64_t> refunded;
        for (const auto& [key, row] : rows<core::Refund>()) {
            const core::Refund& refund = row.value;
            if (refund.status == core::RefundStatus::Succeeded ||
                refund.status == core::RefundStatus::Pending) {
                refunded[{key.account, refund.charge.uuid()}] += refund.amount.minor;
            }
        }
        for (const auto& [key, row] : rows<core::Charge>()) {
            const core::Charge& charge = row.value;
            const std::string name = charge.id.str();
            received_[{key.account, charge.payment_intent.uuid()}] += charge.amount_captured_minor;
            expect("charge_captured", name, posted(PostingKind::Capture, key),
                   charge.amount_captured_minor);
            expect("charge_refunded", name, refunded[key] + released_minor(key, charge),
                   charge.amount_refunded_minor);
            if (charge.status == core::ChargeStatus::Succeeded) {
                expect_event("charge.succeeded", name, key);
            }
            if (charge.status == core::ChargeStatus::Failed)
                expect_event("charge.failed", name, key);
        }
    }

    void check_payments() {
        for (const auto& [key, row] : rows<core::PaymentIntent>()) {
            const core::PaymentIntent& payment = row.value;
            const std::string name = payment.id.str();
            expect("payment_received", name, received_[key], payment.amount_received_minor);
            if (payment.status == core::PaymentIntentStatus::Succeeded) {
                expect("payment_received", name, true, payment.amount_received_minor > 0);
                expect_event("payment_intent.succeeded", name, key);
            }
            if (payment.status == core::PaymentIntentStatus::Canceled) {
                expect_event("payment_intent.canceled", name, key);
            }
        }
    }

    void check_refunds() {
        for (const auto& [key, row] : rows<core::Refund>()) {
            const core::Refund& refund = row.value;
            const std::int64_t moved =
                posted(PostingKind::Refund, key) + posted(PostingKind::RefundFailed, key);
            const bool succeeded = refund.status == core::RefundStatus::Succeeded;
            const bool pending = refund.status == core::RefundStatus::Pending;
            if (!pending) {
                expect("refund_posted", refund.id.str(), succeeded ? -refund.amount.minor : 0,
                       moved);
            }
        }
    }

    void check_operations() {
        for (const auto& [key, row] : rows<core::Operation>()) {
            const core::Operation& operation = row.value;
            const auto* payment = world_.table<core::PaymentIntent>().find(
                {key.account, operation.payment_intent.uuid()});
            const bool active = payment && payment->active_operation == operation.id;
            expect("operation_active", operation.id.str(),
                   operation.state == core::OperationState::Started, active);
        }
    }

    const ModelWorld& world_;
    AuditReport report_;
    std::map<std::pair<PostingKind, RowKey>, std::int64_t> posted_;
    std::set<std::pair<std::string, RowKey>> announced_;
    std::map<RowKey, std::int64_t> received_; ///< by payment intent
};

} // namespace

AuditReport audit_model(const ModelWorld& world) { return Audit(world).run(); }

} // namespace holdfast::store
