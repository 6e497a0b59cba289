#include "api/renderer.h"

#include "core/names.h"

// Payments, charges, refunds, balance transactions and events.

namespace holdfast::api {

void Renderer::automatic_payment_methods(const PaymentIntent& p) {
    w.key("automatic_payment_methods");
    if (!p.details.automatic_payment_methods) return w.value(nullptr);
    w.begin_object();
    w.field("allow_redirects", "always");
    w.field("enabled", true);
    w.end_object();
}

void Renderer::cancellation(const PaymentIntent& p) {
    w.key("canceled_at");
    if (p.canceled_at)
        w.value(unix_seconds(*p.canceled_at));
    else
        w.value(nullptr);
    w.key("cancellation_reason");
    if (p.cancellation_reason == core::CancellationReason::None)
        w.value(nullptr);
    else
        w.value(core::to_string(p.cancellation_reason));
}

void Renderer::payment_method_types(const PaymentIntent& p) {
    w.key("payment_method_types");
    w.begin_array();
    for (const std::string& type : p.details.payment_method_types) w.value(type);
    w.end_array();
}

void Renderer::setup_future_usage(const PaymentIntent& p) {
    w.key("setup_future_usage");
    if (p.setup_future_usage == core::SetupFutureUsage::None)
        w.value(nullptr);
    else
        w.value(core::to_string(p.setup_future_usage));
}

void Renderer::operator()(const PaymentIntent& p) {
    const core::PaymentDetails& d = p.details;
    w.begin_object();
    w.field("id", p.id.str());
    w.field("object", "payment_intent");
    w.null("allowed_payment_method_types");
    w.field("amount", p.amount.minor);
    w.field("amount_capturable", p.amount_capturable_minor);
    w.key("amount_details");
    w.begin_object();
    w.key("tip");
    w.begin_object();
    w.end_object();
    w.end_object();
    w.field("amount_received", p.amount_received_minor);
    nulls({"application", "application_fee_amount"});
    automatic_payment_methods(p);
    cancellation(p);
    w.field("capture_method", core::to_string(p.capture_method));
    w.field("client_secret", view.identity.client_secret(p.account, p.id));
    w.field("confirmation_method", core::to_string(p.confirmation_method));
    seconds("created", p.created);
    w.field("currency", p.amount.currency.code());
    reference("customer", p.customer);
    w.null("customer_account");
    w.field("description", d.description);
    w.null("excluded_payment_method_types");
    w.key("last_payment_error");
    if (p.last_error)
        card_error(*p.last_error);
    else
        w.value(nullptr);
    reference("latest_charge", p.latest_charge);
    w.field("livemode", view.account.livemode);
    w.null("managed_payments");
    metadata(d.metadata);
    nulls({"next_action", "on_behalf_of"});
    reference("payment_method", p.payment_method);
    w.null("payment_method_configuration_details");
    w.key("payment_method_options");
    w.begin_object();
    w.key("card");
    w.begin_object();
    nulls({"installments", "mandate_options", "network"});
    w.field("request_three_d_secure", "automatic");
    w.end_object();
    w.end_object();
    payment_method_types(p);
    nulls({"payment_record", "processing"});
    w.field("receipt_email", d.receipt_email);
    w.null("review");
    setup_future_usage(p);
    shipping(d.shipping);
    w.null("source");
    w.field("statement_descriptor", d.statement_descriptor);
    w.field("statement_descriptor_suffix", d.statement_descriptor_suffix);
    w.field("status", core::to_string(p.status));
    w.null("transfer_data");
    w.field("transfer_group", d.transfer_group);
    w.end_object();
}

void Renderer::charge_outcome(const Charge& c) {
    w.key("outcome");
    if (c.status == core::ChargeStatus::Pending) return w.value(nullptr);
    w.begin_object();
    nulls({"advice_code", "network_advice_code", "network_decline_code"});
    w.field("network_status", c.failure ? "declined_by_network" : "approved_by_network");
    w.key("reason");
    if (!c.failure)
        w.value(nullptr);
    else
        w.value(c.failure->decline_code.empty() ? c.failure->code : c.failure->decline_code);
    w.field("risk_level", "normal");
    w.field("seller_message",
            c.failure ? "The bank returned the decline code `" +
                            (c.failure->decline_code.empty() ? c.failure->code
                                                             : c.failure->decline_code) +
                            "`."
                      : std::string("Payment complete."));
    w.field("type", c.failure ? "issuer_declined" : "authorized");
    w.end_object();
}

void Renderer::charge_card(const Charge& c) {
    w.key("payment_method_details");
    w.begin_object();
    w.key("card");
    w.begin_object();
    if (c.failure)
        w.null("amount_authorized");
    else
        w.field("amount_authorized", c.amount.minor);
    w.key("authorization_code");
    if (c.authorization_code.empty())
        w.value(nullptr);
    else
        w.value(c.authorization_code);
    card_core(c.card);
    nulls({"installments", "mandate"});
    w.field("network", c.card.brand);
    w.key("network_transaction_id");
    if (c.authorization)
        w.value(c.authorization.uuid().base62());
    else
        w.value(nullptr);
    w.field("regulated_status", "unregulated");
    nulls({"three_d_secure", "transaction_link_id", "wallet"});
    w.end_object();
    w.field("type", "card");
    w.end_object();
}

void Renderer::operator()(const Charge& c) {
    const core::PaymentDetails& d = c.details;
    const bool paid = c.status == core::ChargeStatus::Succeeded;
    w.begin_object();
    w.field("id", c.id.str());
    w.field("object", "charge");
    w.field("amount", c.amount.minor);
    w.field("amount_captured", c.amount_captured_minor);
    w.field("amount_refunded", c.amount_refunded_minor);
    nulls({"application", "application_fee", "application_fee_amount"});
    reference("balance_transaction", c.balance_transaction);
    billing_details(c.billing_details);
    w.field("calculated_statement_descriptor", d.statement_descriptor);
    w.field("captured", c.captured);
    seconds("created", c.created);
    w.field("currency", c.amount.currency.code());
    reference("customer", c.customer);
    w.field("description", d.description);
    w.field("disputed", false);
    w.null("failure_balance_transaction");
    w.key("failure_code");
    if (c.failure)
        w.value(c.failure->code);
    else
        w.value(nullptr);
    w.key("failure_message");
    if (c.failure)
        w.value(c.failure->message);
    else
        w.value(nullptr);
    w.key("fraud_details");
    w.begin_object();
    w.end_object();
    w.field("livemode", view.account.livemode);
    metadata(d.metadata);
    w.null("on_behalf_of");
    charge_outcome(c);
    w.field("paid", paid);
    reference("payment_intent", c.payment_intent);
    w.key("payment_method");
    if (c.payment_method)
        w.value(c.payment_method.str());
    else
        w.value(nullptr);
    charge_card(c);
    w.key("radar_options");
    w.begin_object();
    w.end_object();
    w.field("receipt_email", d.receipt_email);
    nulls({"receipt_number", "receipt_url"});
    w.field("refunded", paid && c.amount_refunded_minor == c.amount.minor);
    if (auto it = expansions.find("refunds"); it != expansions.end()) {
        w.key("refunds");
        w.raw(it->second);
    }
    w.null("review");
    shipping(d.shipping);
    nulls({"source", "source_transfer"});
    w.field("statement_descriptor", d.statement_descriptor);
    w.field("statement_descriptor_suffix", d.statement_descriptor_suffix);
    w.field("status", core::to_string(c.status));
    w.null("transfer_data");
    w.field("transfer_group", d.transfer_group);
    w.end_object();
}

void Renderer::operator()(const core::Refund& r) {
    w.begin_object();
    w.field("id", r.id.str());
    w.field("object", "refund");
    w.field("amount", r.amount.minor);
    reference("balance_transaction", r.balance_transaction);
    reference("charge", r.charge);
    seconds("created", r.created);
    w.field("currency", r.amount.currency.code());
    w.key("destination_details");
    w.begin_object();
    w.key("card");
    w.begin_object();
    w.field("reference_status", "pending");
    w.field("reference_type", "acquirer_reference_number");
    w.field("type", "refund");
    w.end_object();
    w.field("type", "card");
    w.end_object();
    if (r.failure_balance_transaction)
        reference("failure_balance_transaction", r.failure_balance_transaction);
    if (r.failure_reason) w.field("failure_reason", r.failure_reason);
    metadata(r.metadata);
    reference("payment_intent", r.payment_intent);
    w.field("reason", r.reason);
    nulls({"receipt_number", "source_transfer_reversal"});
    w.field("status", core::to_string(r.status));
    w.null("transfer_reversal");
    w.end_object();
}

void Renderer::operator()(const core::BalanceTransaction& t) {
    const bool available = t.available_on <= view.now;
    w.begin_object();
    w.field("id", t.id.str());
    w.field("object", "balance_transaction");
    w.field("amount", t.amount.minor);
    seconds("available_on", t.available_on);
    w.field("balance_type", "payments");
    seconds("created", t.created);
    w.field("currency", t.amount.currency.code());
    w.field("description", t.description);
    w.null("exchange_rate");
    w.field("fee", t.fee_minor);
    w.key("fee_details");
    w.begin_array();
    if (t.fee_minor != 0) {
        w.begin_object();
        w.field("amount", t.fee_minor);
        w.null("application");
        w.field("currency", t.amount.currency.code());
        w.field("description", "Processing fees");
        w.field("type", "stripe_fee");
        w.end_object();
    }
    w.end_array();
    w.field("net", t.net_minor());
    w.field("reporting_category", core::reporting_category(t.kind));
    w.key("source");
    if (auto it = expansions.find("source"); it != expansions.end())
        w.raw(it->second);
    else if (t.source.is_nil())
        w.value(nullptr);
    else
        w.value(id_text(t.source_kind, t.source));
    w.field("status", available ? "available" : "pending");
    w.field("type", core::balance_transaction_type(t.kind));
    w.end_object();
}

void Renderer::operator()(const core::Event& e) {
    w.begin_object();
    w.field("id", e.id.str());
    w.field("object", "event");
    w.field("api_version", api_version);
    seconds("created", e.created);
    w.key("data");
    w.begin_object();
    w.key("object");
    auto it = expansions.find("data.object");
    CHECK(it != expansions.end());
    w.raw(it->second);
    w.end_object();
    w.field("livemode", view.account.livemode);
    w.field("pending_webhooks", 0);
    w.key("request");
    w.begin_object();
    w.key("id");
    if (e.request_id.is_nil())
        w.value(nullptr);
    else
        w.value("req_" + e.request_id.base62());
    w.key("idempotency_key");
    if (e.idempotency_key.empty())
        w.value(nullptr);
    else
        w.value(e.idempotency_key);
    w.end_object();
    w.field("type", e.type);
    w.end_object();
}

} // namespace holdfast::api
