#include "api/renderer.h"

#include "core/names.h"

// The pieces that objects have in common, and customers and cards.

namespace holdfast::api {

void Renderer::nulls(std::initializer_list<std::string_view> fields) {
    for (std::string_view field : fields) w.null(field);
}

void Renderer::seconds(std::string_view field, WallTime time) {
    w.field(field, unix_seconds(time));
}

void Renderer::metadata(const core::Metadata& metadata) {
    w.key("metadata");
    w.begin_object();
    for (const auto& [key, value] : metadata) w.field(key, value);
    w.end_object();
}

void Renderer::address(const core::Address& a) {
    w.begin_object();
    w.field("city", a.city);
    w.field("country", a.country);
    w.field("line1", a.line1);
    w.field("line2", a.line2);
    w.field("postal_code", a.postal_code);
    w.field("state", a.state);
    w.end_object();
}

void Renderer::address_field(std::string_view field, const std::optional<core::Address>& a) {
    w.key(field);
    if (a)
        address(*a);
    else
        w.value(nullptr);
}

void Renderer::shipping(const std::optional<core::Shipping>& s) {
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

void Renderer::billing_details(const core::BillingDetails& b) {
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

void Renderer::checks() {
    w.key("checks");
    w.begin_object();
    nulls({"address_line1_check", "address_postal_code_check"});
    w.field("cvc_check", "pass");
    w.end_object();
}

void Renderer::card_core(const core::CardDetails& c) {
    w.field("brand", c.brand);
    checks();
    w.field("country", c.country);
    w.field("exp_month", c.exp_month);
    w.field("exp_year", c.exp_year);
    w.field("fingerprint", c.fingerprint);
    w.field("funding", c.funding);
    w.field("last4", c.last4);
}

void Renderer::card_error(const core::PaymentError& error) {
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

std::string Renderer::doc_anchor(std::string code) {
    for (char& c : code)
        if (c == '_') c = '-';
    return code;
}

void Renderer::operator()(const core::Customer& c) {
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

void Renderer::operator()(const PaymentMethod& m) {
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

void Renderer::operator()(const core::Token& t) {
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

} // namespace holdfast::api
