#include "store/columns.h"
#include "store/tables.h"
#include "store/wire.h"
#include "store/write_batch.h"

#include <bit>

namespace holdfast::store {

using core::RowKey;
using db::Bytea;
using db::Jsonb;

namespace {

using Keys = Columns<Id<core::Account>, Uuid>;
using Marker = Columns<bool>;

std::int64_t as_column(std::uint64_t fingerprint) {
    return std::bit_cast<std::int64_t>(fingerprint);
}

std::optional<Jsonb> as_jsonb(const std::optional<std::string>& json) {
    return json ? std::optional(Jsonb{*json}) : std::nullopt;
}

/// Inserts and updates one table. What a row's columns are is up to `Fields`:
///     Columns<...> fixed, state, guarded;
///     void append_fixed(const T&), append_state(const T&), append_guarded(const T&);
///     void skip_guarded();
template <const Table& table, class T, class Fields>
void write_rows(db::Pipeline& pipeline, const core::Rows<T>& rows, const Originals& originals) {
    Keys keys;
    Fields fields;
    for (const RowKey& key : rows.inserted()) {
        const T& row = *rows.find(key);
        keys.append(key.account, key.id);
        fields.append_fixed(row);
        fields.append_state(row);
        fields.append_guarded(row);
    }
    if (!keys.empty()) {
        send(pipeline, Sql<table>::insert, keys, fields.fixed, fields.state, fields.guarded);
    }
    Keys updated;
    Fields changes;
    Marker changed;
    for (const RowKey& key : rows.updated()) {
        const T& row = *rows.find(key);
        updated.append(key.account, key.id);
        changes.append_state(row);
        const bool all = originals.changed(row);
        changed.append(all);
        if (all)
            changes.append_guarded(row);
        else
            changes.skip_guarded();
    }
    if (!updated.empty()) {
        send(pipeline, Sql<table>::update, updated, changes.state, changed, changes.guarded);
    }
}

struct CustomerFields {
    Columns<WallTime, std::int64_t> fixed;
    Columns<std::int32_t, bool, std::int64_t, Id<core::PaymentMethod>, std::string, std::string,
            std::string, std::string>
        state;
    Columns<Bytea, Jsonb> guarded;

    void append_fixed(const core::Customer& c) {
        fixed.append(c.created, as_column(c.request_fingerprint));
    }
    void append_state(const core::Customer& c) {
        state.append(c.version, c.deleted, c.balance_minor, null_if_nil(c.default_payment_method),
                     c.email, c.name, c.phone, c.description);
    }
    void append_guarded(const core::Customer& c) {
        const auto metadata = metadata_json(c.metadata);
        const std::string details = core::encode_details(c);
        guarded.append(Bytea{details}, as_jsonb(metadata));
    }
    void skip_guarded() { guarded.append(std::nullopt, std::nullopt); }
};

struct PaymentMethodFields {
    Columns<WallTime, std::int64_t, std::string> fixed;
    Columns<std::int32_t, bool, Id<core::Customer>, std::string> state;
    Columns<Bytea, Bytea, Jsonb> guarded;

    void append_fixed(const core::PaymentMethod& m) {
        fixed.append(m.created, as_column(m.request_fingerprint), m.vault_token);
    }
    void append_state(const core::PaymentMethod& m) {
        state.append(m.version, m.detached, null_if_nil(m.customer), m.allow_redisplay);
    }
    void append_guarded(const core::PaymentMethod& m) {
        const auto metadata = metadata_json(m.metadata);
        const std::string card = core::encode_details(m.card);
        const std::string billing_details = core::encode_details(m.billing_details);
        guarded.append(Bytea{card}, Bytea{billing_details}, as_jsonb(metadata));
    }
    void skip_guarded() { guarded.append(std::nullopt, std::nullopt, std::nullopt); }
};

struct PaymentIntentFields {
    Columns<WallTime, std::int64_t> fixed;
    Columns<std::int32_t, std::int32_t, std::int32_t, std::int64_t, std::int64_t, std::int64_t,
            core::Currency, core::PaymentIntentStatus, core::CaptureMethod,
            core::ConfirmationMethod, core::SetupFutureUsage, core::CancellationReason, WallTime,
            Id<core::Customer>, Id<core::PaymentMethod>, Id<core::Charge>, Id<core::Operation>,
            Bytea>
        state;
    Columns<Bytea, Jsonb> guarded;

    void append_fixed(const core::PaymentIntent& p) {
        fixed.append(p.created, as_column(p.request_fingerprint));
    }
    void append_state(const core::PaymentIntent& p) {
        std::string error;
        if (p.last_error) error = core::encode_error(*p.last_error);
        state.append(p.version, p.failed_attempts, p.operations, p.amount.minor,
                     p.amount_capturable_minor, p.amount_received_minor, p.amount.currency,
                     p.status, p.capture_method, p.confirmation_method,
                     null_if_none(p.setup_future_usage), null_if_none(p.cancellation_reason),
                     p.canceled_at, null_if_nil(p.customer), null_if_nil(p.payment_method),
                     null_if_nil(p.latest_charge), null_if_nil(p.active_operation),
                     p.last_error ? std::optional(Bytea{error}) : std::nullopt);
    }
    void append_guarded(const core::PaymentIntent& p) {
        const auto metadata = metadata_json(p.details.metadata);
        const std::string details = core::encode_details(p.details);
        guarded.append(Bytea{details}, as_jsonb(metadata));
    }
    void skip_guarded() { guarded.append(std::nullopt, std::nullopt); }
};

struct ChargeFields {
    Columns<WallTime, Id<core::PaymentIntent>, Id<core::Customer>, Id<core::PaymentMethod>,
            Id<core::Operation>, std::int64_t, core::Currency, Bytea, Bytea>
        fixed;
    Columns<std::int32_t, std::int64_t, std::int64_t, bool, core::ChargeStatus,
            Id<core::BalanceTransaction>, std::string, std::string, std::string, std::string>
        state;
    Columns<Bytea, Jsonb> guarded;

    void append_fixed(const core::Charge& c) {
        const std::string card = core::encode_details(c.card);
        const std::string billing_details = core::encode_details(c.billing_details);
        fixed.append(c.created, c.payment_intent, null_if_nil(c.customer),
                     null_if_nil(c.payment_method), null_if_nil(c.authorization), c.amount.minor,
                     c.amount.currency, Bytea{card}, Bytea{billing_details});
    }
    void append_state(const core::Charge& c) {
        std::optional<std::string> code, decline_code, message;
        if (c.failure) {
            code = c.failure->code;
            decline_code = c.failure->decline_code;
            message = c.failure->message;
        }
        state.append(c.version, c.amount_captured_minor, c.amount_refunded_minor, c.captured,
                     c.status, null_if_nil(c.balance_transaction), c.authorization_code, code,
                     decline_code, message);
    }
    void append_guarded(const core::Charge& c) {
        const auto metadata = metadata_json(c.details.metadata);
        const std::string details = core::encode_details(c.details);
        guarded.append(Bytea{details}, as_jsonb(metadata));
    }
    void skip_guarded() { guarded.append(std::nullopt, std::nullopt); }
};

struct RefundFields {
    Columns<WallTime, std::int64_t, Id<core::Charge>, Id<core::PaymentIntent>, std::int64_t,
            core::Currency, std::string>
        fixed;
    Columns<std::int32_t, core::RefundStatus, std::string, Id<core::BalanceTransaction>,
            Id<core::BalanceTransaction>>
        state;
    Columns<Jsonb> guarded;

    void append_fixed(const core::Refund& r) {
        fixed.append(r.created, as_column(r.request_fingerprint), r.charge, r.payment_intent,
                     r.amount.minor, r.amount.currency, r.reason);
    }
    void append_state(const core::Refund& r) {
        state.append(r.version, r.status, r.failure_reason, null_if_nil(r.balance_transaction),
                     null_if_nil(r.failure_balance_transaction));
    }
    void append_guarded(const core::Refund& r) {
        const auto metadata = metadata_json(r.metadata);
        guarded.append(as_jsonb(metadata));
    }
    void skip_guarded() { guarded.append(std::nullopt); }
};

struct OperationFields {
    Columns<WallTime, Id<core::PaymentIntent>, std::int64_t, core::Currency> fixed;
    Columns<std::int32_t, core::OperationKind, core::OperationState, Uuid, WallTime, bool> state;
    Columns<Bytea> guarded;

    void append_fixed(const core::Operation& o) {
        fixed.append(o.started, o.payment_intent, o.amount.minor, o.amount.currency);
    }
    void append_state(const core::Operation& o) {
        state.append(o.version, o.kind, o.state, o.owner, o.valid_until, o.reversing);
    }
    void append_guarded(const core::Operation& o) {
        const std::string details = operation_details(o);
        guarded.append(Bytea{details});
    }
    void skip_guarded() { guarded.append(std::nullopt); }
};

} // namespace

void write_customers(db::Pipeline& pipeline, const core::Rows<core::Customer>& rows,
                     const Originals& originals) {
    write_rows<customers, core::Customer, CustomerFields>(pipeline, rows, originals);
}
void write_payment_methods(db::Pipeline& pipeline, const core::Rows<core::PaymentMethod>& rows,
                           const Originals& originals) {
    write_rows<payment_methods, core::PaymentMethod, PaymentMethodFields>(pipeline, rows,
                                                                          originals);
}
void write_payment_intents(db::Pipeline& pipeline, const core::Rows<core::PaymentIntent>& rows,
                           const Originals& originals) {
    write_rows<payment_intents, core::PaymentIntent, PaymentIntentFields>(pipeline, rows,
                                                                          originals);
}
void write_charges(db::Pipeline& pipeline, const core::Rows<core::Charge>& rows,
                   const Originals& originals) {
    write_rows<charges, core::Charge, ChargeFields>(pipeline, rows, originals);
}
void write_refunds(db::Pipeline& pipeline, const core::Rows<core::Refund>& rows,
                   const Originals& originals) {
    write_rows<refunds, core::Refund, RefundFields>(pipeline, rows, originals);
}
void write_operations(db::Pipeline& pipeline, const core::Rows<core::Operation>& rows,
                      const Originals& originals) {
    write_rows<operations, core::Operation, OperationFields>(pipeline, rows, originals);
}

void write_tokens(db::Pipeline& pipeline, const core::Rows<core::Token>& rows) {
    using State = Columns<std::int32_t, bool>;
    Keys keys;
    Columns<WallTime, std::int64_t, std::string, Bytea, Bytea> fixed;
    State state;
    for (const RowKey& key : rows.inserted()) {
        const core::Token& token = *rows.find(key);
        const std::string card = core::encode_details(token.card);
        const std::string billing_details = core::encode_details(token.billing_details);
        keys.append(key.account, key.id);
        fixed.append(token.created, as_column(token.request_fingerprint), token.vault_token,
                     Bytea{card}, Bytea{billing_details});
        state.append(token.version, token.used);
    }
    if (!keys.empty()) send(pipeline, Sql<tokens>::insert, keys, fixed, state);
    Keys updated;
    State changes;
    for (const RowKey& key : rows.updated()) {
        const core::Token& token = *rows.find(key);
        updated.append(key.account, key.id);
        changes.append(token.version, token.used);
    }
    if (!updated.empty()) send(pipeline, Sql<tokens>::update, updated, changes);
}

} // namespace holdfast::store
