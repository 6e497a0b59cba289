#include "api/render.h"

#include "api/renderer.h"
#include "core/names.h"

namespace holdfast::api {
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
    if (p.last_error)
        r.card_error(*p.last_error);
    else
        w.value(nullptr);
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
