#include "api/render.h"

#include "base/json_writer.h"
#include "core/names.h"

namespace holdfast::api {
namespace {

using core::Charge;
using core::PaymentIntent;
using core::PaymentMethod;

/// One object being written: the writer plus what surrounds it.
struct Renderer {
    JsonWriter& w;
    const View& view;
    const Expansions& expansions;

    /// An id, or null, or the expanded object.
    template <class T> void reference(std::string_view field, const Id<T>& id) {
        w.key(field);
        if (auto it = expansions.find(field); it != expansions.end()) w.raw(it->second);
        else if (id.is_nil()) w.value(nullptr);
        else w.value(id.str());
    }

    void nulls(std::initializer_list<std::string_view> fields) {
        for (std::string_view field : fields) w.null(field);
    }

    void seconds(std::string_view field, WallTime time) { w.field(field, unix_seconds(time)); }

    void metadata(const core::Metadata& metadata) {
        w.key("metadata");
        w.begin_object();
        for (const auto& [key, value] : metadata) w.field(key, value);
        w.end_object();
    }

    void address(const core::Address& a) {
        w.begin_object();
        w.field("city", a.city);
        w.field("country", a.country);
        w.field("line1", a.line1);
        w.field("line2", a.line2);
        w.field("postal_code", a.postal_code);
        w.field("state", a.state);
        w.end_object();
    }

    void address_field(std::string_view field, const std::optional<core::Address>& a) {
        w.key(field);
        if (a) address(*a);
        else w.value(nullptr);
    }

    void shipping(const std::optional<core::Shipping>& s) {
        w.key("shipping");
        if (!s) return w.value(nullptr);
        w.begin_object();
        w.key("address");
        address(s->address);
        w.field("carrier", s->carrier);
        w.field("name", s->name);
        w.field("phone", s->phone);
        w.field("tracking_number", s->tracking_number);
        w.end_object();
    }

    void billing_details(const core::BillingDetails& b) {
        w.key("billing_details");
        w.begin_object();
        w.key("address");
        address(b.address.value_or(core::Address{}));
        w.field("email", b.email);
        w.field("name", b.name);
        w.field("phone", b.phone);
        w.null("tax_id");
        w.end_object();
    }

    void checks() {
        w.key("checks");
        w.begin_object();
        nulls({"address_line1_check", "address_postal_code_check"});
        w.field("cvc_check", "pass");
        w.end_object();
    }

    void card_core(const core::CardDetails& c) {
        w.field("brand", c.brand);
        checks();
        w.field("country", c.country);
        w.field("exp_month", c.exp_month);
        w.field("exp_year", c.exp_year);
        w.field("fingerprint", c.fingerprint);
        w.field("funding", c.funding);
        w.field("last4", c.last4);
    }

    void card_error(const core::PaymentError& error) {
        w.begin_object();
        if (error.charge) w.field("charge", error.charge.str());
        w.field("code", error.failure.code);
        if (!error.failure.decline_code.empty()) w.field("decline_code", error.failure.decline_code);
        w.field("doc_url", "https://docs.stripe.com/error-codes/" + doc_anchor(error.failure.code));
        w.field("message", error.failure.message);
        if (auto it = expansions.find("last_payment_error.payment_method"); it != expansions.end()) {
            w.key("payment_method");
            w.raw(it->second);
        }
        w.field("type", "card_error");
        w.end_object();
    }

    static std::string doc_anchor(std::string code) {
        for (char& c : code)
            if (c == '_') c = '-';
        return code;
    }

    void operator()(const core::Customer& c) {
        w.begin_object();
        w.field("id", c.id.str());
        w.field("object", "customer");
        address_field("address", c.address);
        w.field("balance", c.balance_minor);
        seconds("created", c.created);
        nulls({"currency", "customer_account", "default_source"});
        w.field("delinquent", false);
        w.field("description", c.description);
        w.null("discount");
        w.field("email", c.email);
        w.null("invoice_prefix");
        w.key("invoice_settings");
        w.begin_object();
        w.null("custom_fields");
        reference("default_payment_method", c.default_payment_method);
        nulls({"footer", "rendering_options"});
        w.end_object();
        w.field("livemode", view.account.livemode);
        metadata(c.metadata);
        w.field("name", c.name);
        w.field("next_invoice_sequence", 1);
        w.field("phone", c.phone);
        w.key("preferred_locales");
        w.begin_array();
        for (const std::string& locale : c.preferred_locales) w.value(locale);
        w.end_array();
        shipping(c.shipping);
        w.field("tax_exempt", c.tax_exempt);
        w.null("test_clock");
        w.end_object();
    }

    void operator()(const PaymentMethod& m) {
        w.begin_object();
        w.field("id", m.id.str());
        w.field("object", "payment_method");
        w.field("allow_redisplay", m.allow_redisplay);
        billing_details(m.billing_details);
        w.key("card");
        w.begin_object();
        card_core(m.card);
        w.field("display_brand", m.card.brand);
        w.null("generated_from");
        w.key("networks");
        w.begin_object();
        w.key("available");
        w.begin_array();
        w.value(m.card.brand);
        w.end_array();
        w.null("preferred");
        w.end_object();
        w.field("regulated_status", "unregulated");
        w.key("three_d_secure_usage");
        w.begin_object();
        w.field("supported", true);
        w.end_object();
        w.null("wallet");
        w.end_object();
        seconds("created", m.created);
        reference("customer", m.customer);
        w.null("customer_account");
        w.field("livemode", view.account.livemode);
        metadata(m.metadata);
        w.field("type", "card");
        w.end_object();
    }

    void operator()(const core::Token& t) {
        w.begin_object();
        w.field("id", t.id.str());
        w.field("object", "token");
        w.key("card");
        w.begin_object();
        w.field("id", "card_" + t.id.uuid().base62());
        w.field("object", "card");
        const core::Address address = t.billing_details.address.value_or(core::Address{});
        w.field("address_city", address.city);
        w.field("address_country", address.country);
        w.field("address_line1", address.line1);
        w.null("address_line1_check");
        w.field("address_line2", address.line2);
        w.field("address_state", address.state);
        w.field("address_zip", address.postal_code);
        w.null("address_zip_check");
        w.field("brand", core::card_brand_label(t.card.brand));
        w.field("country", t.card.country);
        w.field("cvc_check", "unchecked");
        w.null("dynamic_last4");
        w.field("exp_month", t.card.exp_month);
        w.field("exp_year", t.card.exp_year);
        w.field("fingerprint", t.card.fingerprint);
        w.field("funding", t.card.funding);
        w.field("last4", t.card.last4);
        metadata({});
        w.field("name", t.billing_details.name);
        w.field("regulated_status", "unregulated");
        nulls({"tokenization_method", "wallet"});
        w.end_object();
        w.null("client_ip");
        seconds("created", t.created);
        w.field("livemode", view.account.livemode);
        w.field("type", "card");
        w.field("used", t.used);
        w.end_object();
    }

    void automatic_payment_methods(const PaymentIntent& p) {
        w.key("automatic_payment_methods");
        if (!p.details.automatic_payment_methods) return w.value(nullptr);
        w.begin_object();
        w.field("allow_redirects", "always");
        w.field("enabled", true);
        w.end_object();
    }

    void cancellation(const PaymentIntent& p) {
        w.key("canceled_at");
        if (p.canceled_at) w.value(unix_seconds(*p.canceled_at));
        else w.value(nullptr);
        w.key("cancellation_reason");
        if (p.cancellation_reason == core::CancellationReason::None) w.value(nullptr);
        else w.value(core::to_string(p.cancellation_reason));
    }

    void payment_method_types(const PaymentIntent& p) {
        w.key("payment_method_types");
        w.begin_array();
        for (const std::string& type : p.details.payment_method_types) w.value(type);
        w.end_array();
    }

    void setup_future_usage(const PaymentIntent& p) {
        w.key("setup_future_usage");
        if (p.setup_future_usage == core::SetupFutureUsage::None) w.value(nullptr);
        else w.value(core::to_string(p.setup_future_usage));
    }

    void operator()(const PaymentIntent& p) {
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
        if (p.last_error) card_error(*p.last_error);
        else w.value(nullptr);
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

    void charge_outcome(const Charge& c) {
        w.key("outcome");
        if (c.status == core::ChargeStatus::Pending) return w.value(nullptr);
        w.begin_object();
        nulls({"advice_code", "network_advice_code", "network_decline_code"});
        w.field("network_status", c.failure ? "declined_by_network" : "approved_by_network");
        w.key("reason");
        if (!c.failure) w.value(nullptr);
        else w.value(c.failure->decline_code.empty() ? c.failure->code : c.failure->decline_code);
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

    void charge_card(const Charge& c) {
        w.key("payment_method_details");
        w.begin_object();
        w.key("card");
        w.begin_object();
        if (c.failure) w.null("amount_authorized");
        else w.field("amount_authorized", c.amount.minor);
        w.key("authorization_code");
        if (c.authorization_code.empty()) w.value(nullptr);
        else w.value(c.authorization_code);
        card_core(c.card);
        nulls({"installments", "mandate"});
        w.field("network", c.card.brand);
        w.key("network_transaction_id");
        if (c.authorization) w.value(c.authorization.uuid().base62());
        else w.value(nullptr);
        w.field("regulated_status", "unregulated");
        nulls({"three_d_secure", "transaction_link_id", "wallet"});
        w.end_object();
        w.field("type", "card");
        w.end_object();
    }

    void operator()(const Charge& c) {
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
        if (c.failure) w.value(c.failure->code);
        else w.value(nullptr);
        w.key("failure_message");
        if (c.failure) w.value(c.failure->message);
        else w.value(nullptr);
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
        if (c.payment_method) w.value(c.payment_method.str());
        else w.value(nullptr);
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

    void operator()(const core::Refund& r) {
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

    void operator()(const core::BalanceTransaction& t) {
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
        if (auto it = expansions.find("source"); it != expansions.end()) w.raw(it->second);
        else if (t.source.is_nil()) w.value(nullptr);
        else w.value(id_text(t.source_kind, t.source));
        w.field("status", available ? "available" : "pending");
        w.field("type", core::balance_transaction_type(t.kind));
        w.end_object();
    }

    void operator()(const core::Event& e) {
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
        if (e.request_id.is_nil()) w.value(nullptr);
        else w.value("req_" + e.request_id.base62());
        w.key("idempotency_key");
        if (e.idempotency_key.empty()) w.value(nullptr);
        else w.value(e.idempotency_key);
        w.end_object();
        w.field("type", e.type);
        w.end_object();
    }
};

} // namespace

std::string render(const Object& object, const View& view, const Expansions& expansions) {
    JsonWriter w;
    std::visit(Renderer{w, view, expansions}, object);
    return std::move(w).take();
}

std::string render_for_payer(const PaymentIntent& p, const View& view) {
    JsonWriter w;
    const Expansions none;
    Renderer r{w, view, none};
    w.begin_object();
    w.field("id", p.id.str());
    w.field("object", "payment_intent");
    w.field("amount", p.amount.minor);
    r.automatic_payment_methods(p);
    r.cancellation(p);
    w.field("capture_method", core::to_string(p.capture_method));
    w.field("client_secret", view.identity.client_secret(p.account, p.id));
    w.field("confirmation_method", core::to_string(p.confirmation_method));
    r.seconds("created", p.created);
    w.field("currency", p.amount.currency.code());
    w.field("description", p.details.description);
    w.key("last_payment_error");
    if (p.last_error) r.card_error(*p.last_error);
    else w.value(nullptr);
    w.field("livemode", view.account.livemode);
    w.null("next_action");
    r.reference("payment_method", p.payment_method);
    r.payment_method_types(p);
    r.nulls({"processing"});
    w.field("receipt_email", p.details.receipt_email);
    r.setup_future_usage(p);
    r.shipping(p.details.shipping);
    w.null("source");
    w.field("status", core::to_string(p.status));
    w.end_object();
    return std::move(w).take();
}

std::string render_deleted_customer(const core::Customer& customer) {
    JsonWriter w(96);
    w.begin_object();
    w.field("id", customer.id.str());
    w.field("object", "customer");
    w.field("deleted", true);
    w.end_object();
    return std::move(w).take();
}

std::string render_balance(const store::Balance& balance, const View& view) {
    JsonWriter w(512);
    auto amounts = [&](std::string_view field, core::LedgerAccountKind kind) {
        w.key(field);
        w.begin_array();
        for (const store::Balance::Amount& amount : balance.amounts) {
            if (amount.kind != kind) continue;
            w.begin_object();
            w.field("amount", amount.amount_minor);
            w.field("currency", amount.currency.code());
            w.key("source_types");
            w.begin_object();
            w.field("card", amount.amount_minor);
            w.end_object();
            w.end_object();
        }
        w.end_array();
    };
    w.begin_object();
    w.field("object", "balance");
    amounts("available", core::LedgerAccountKind::Available);
    w.field("livemode", view.account.livemode);
    amounts("pending", core::LedgerAccountKind::Pending);
    w.end_object();
    return std::move(w).take();
}

std::string render_list(std::string_view url, bool has_more, const std::vector<std::string>& data) {
    std::size_t size = 128;
    for (const std::string& item : data) size += item.size() + 1;
    JsonWriter w(size);
    w.begin_object();
    w.field("object", "list");
    w.key("data");
    w.begin_array();
    for (const std::string& item : data) w.raw(item);
    w.end_array();
    w.field("has_more", has_more);
    w.field("url", url);
    w.end_object();
    return std::move(w).take();
}

std::string id_of(const Object& object) {
    return std::visit([](const auto& o) { return o.id.str(); }, object);
}

Uuid uuid_of(const Object& object) {
    return std::visit([](const auto& o) { return o.id.uuid(); }, object);
}

std::string id_text(core::ObjectKind kind, const Uuid& id) {
    switch (kind) {
    case core::ObjectKind::Account: return Id<core::Account>(id).str();
    case core::ObjectKind::Customer: return Id<core::Customer>(id).str();
    case core::ObjectKind::PaymentMethod: return Id<core::PaymentMethod>(id).str();
    case core::ObjectKind::Token: return Id<core::Token>(id).str();
    case core::ObjectKind::PaymentIntent: return Id<core::PaymentIntent>(id).str();
    case core::ObjectKind::Charge: return Id<core::Charge>(id).str();
    case core::ObjectKind::Refund: return Id<core::Refund>(id).str();
    case core::ObjectKind::BalanceTransaction: return Id<core::BalanceTransaction>(id).str();
    case core::ObjectKind::Event: return Id<core::Event>(id).str();
    case core::ObjectKind::Operation: return Id<core::Operation>(id).str();
    }
    BUG("unknown object kind");
    return {};
}

} // namespace holdfast::api
