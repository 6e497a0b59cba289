#include "api/handlers.h"
#include "api/instruments.h"
#include "api/rows.h"

#include "base/secret.h"

namespace holdfast::api {
namespace {

using core::CaptureMethod;
using core::ObjectKind;
using core::PaymentIntent;
using core::SetupFutureUsage;

constexpr std::size_t descriptor_length_max = 22;

core::Change<SetupFutureUsage> setup_future_usage(Params& params) {
    if (params.cleared("setup_future_usage")) return {true, SetupFutureUsage::None};
    auto usage = params.named<SetupFutureUsage>("setup_future_usage");
    if (!usage) return {};
    return {true, *usage};
}

std::vector<std::string> payment_method_types(Params& params) {
    std::vector<std::string> types = params.texts("payment_method_types", 50);
    for (const std::string& type : types) {
        if (type == "card") continue;
        params.problem(invalid_parameter(
            "parameter_invalid", "payment_method_types",
            "The payment method type \"" + type + "\" is invalid. Holdfast takes: card."));
    }
    return types;
}

/// Features that have no effect here but that ordinary integrations send.
void ignore_unused(Params& params, std::initializer_list<std::string_view> names) {
    for (std::string_view name : names) params.ignore(name);
}

/// error_on_requires_action, off_session, return_url and the like: how to confirm.
struct ConfirmOptions {
    bool error_on_requires_action = false;
    bool off_session = false;
};

ConfirmOptions confirm_options(Params& params) {
    ConfirmOptions options;
    options.error_on_requires_action = params.boolean("error_on_requires_action").value_or(false);
    auto off_session = params.text("off_session", 20); // true, or for what: "one_off", "recurring"
    options.off_session = off_session && *off_session != "false";
    ignore_unused(params, {"mandate", "mandate_data", "radar_options", "use_stripe_sdk",
                           "payment_method_options"});
    return options;
}

bool may_use(const Call& call, const core::Identity& identity, const PaymentIntent& payment,
             const std::optional<std::string>& client_secret) {
    if (!call.publishable && !client_secret) return true;
    return client_secret &&
           constant_time_equal(*client_secret, identity.client_secret(payment.account, payment.id));
}

Error wrong_client_secret() {
    return invalid_parameter("payment_intent_invalid_parameter", "client_secret",
                             "The client_secret provided does not match the client_secret "
                             "associated with the PaymentIntent.");
}

} // namespace

Task<Reply> create_payment_intent(Services& services, Call& call) {
    Params& params = call.params;
    core::CreatePaymentIntent create;
    PaymentIntent& payment = create.payment_intent;
    payment.id = new_id<PaymentIntent>(services, call);
    payment.account = call.account->id;
    params.require("amount");
    params.require("currency");
    payment.amount.minor = params.integer("amount", 1).value_or(0);
    if (auto currency = params.currency("currency")) payment.amount.currency = *currency;
    payment.capture_method =
        params.named<CaptureMethod>("capture_method").value_or(CaptureMethod::Automatic);
    payment.confirmation_method = params.named<core::ConfirmationMethod>("confirmation_method")
                                      .value_or(core::ConfirmationMethod::Automatic);
    payment.setup_future_usage = setup_future_usage(params).value;
    if (auto customer = params.id<core::Customer>("customer", "customer"))
        payment.customer = *customer;

    core::PaymentDetails& details = payment.details;
    details.description = params.text("description", 1000);
    details.receipt_email = params.email("receipt_email");
    details.statement_descriptor = params.text("statement_descriptor", descriptor_length_max);
    details.statement_descriptor_suffix =
        params.text("statement_descriptor_suffix", descriptor_length_max);
    details.transfer_group = params.text("transfer_group");
    details.shipping = params.shipping_change().value;
    details.metadata = params.metadata();
    Params automatic = params.map("automatic_payment_methods");
    details.automatic_payment_methods = automatic.boolean("enabled").value_or(false);
    (void)automatic.one_of("allow_redirects", {"always", "never"});
    if (auto types = payment_method_types(params); !types.empty())
        details.payment_method_types = std::move(types);
    else
        details.automatic_payment_methods |= !params.has("automatic_payment_methods");

    create.confirm = params.boolean("confirm").value_or(false);
    const ConfirmOptions options = confirm_options(params);
    create.error_on_requires_action = options.error_on_requires_action;
    create.off_session = options.off_session;
    if (create.confirm)
        details.return_url = params.text("return_url");
    else if (params.has("return_url") || params.has("off_session"))
        params.problem(invalid_parameter("parameter_invalid",
                                         params.has("return_url") ? "return_url" : "off_session",
                                         "This parameter is only valid with confirm=true."));
    InstrumentInput instrument = read_instrument(params);
    ignore_unused(params, {"excluded_payment_method_types", "amount_details"});
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent));
    CO_TRY_VOID(params.done());
    CO_TRY(create.payment_method,
           co_await resolve_instrument(services, call, std::move(instrument)));
    co_return co_await execute(services, call, std::move(create), std::move(expand));
}

Task<Reply> retrieve_payment_intent(Services& services, Call& call) {
    CO_TRY(auto id, path_id<PaymentIntent>(call, "payment_intent"));
    auto client_secret = call.params.text("client_secret", 200);
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto row, co_await find_row(services.store, services.processor, call.account->id, id,
                                       call.deadline));
    if (!row) co_return fail(missing_resource("payment_intent", id.str(), "intent"));
    if (!may_use(call, services.identity, *row, client_secret))
        co_return fail(wrong_client_secret());
    co_return co_await show(services, call, Object(std::move(*row)), std::move(expand));
}

Task<Reply> update_payment_intent(Services& services, Call& call) {
    Params& params = call.params;
    CO_TRY(auto id, path_id<PaymentIntent>(call, "payment_intent"));
    core::UpdatePaymentIntent update{.id = id};
    if (auto amount = params.integer("amount", 1)) update.amount_minor = {true, *amount};
    if (auto currency = params.currency("currency")) update.currency = {true, *currency};
    if (auto method = params.named<CaptureMethod>("capture_method"))
        update.capture_method = {true, *method};
    update.setup_future_usage = setup_future_usage(params);
    if (params.cleared("customer"))
        update.customer.set = true;
    else if (auto customer = params.id<core::Customer>("customer", "customer"))
        update.customer = {true, *customer};
    update.description = params.text_change("description", 1000);
    update.receipt_email = params.text_change("receipt_email", 800);
    update.statement_descriptor = params.text_change("statement_descriptor", descriptor_length_max);
    update.statement_descriptor_suffix =
        params.text_change("statement_descriptor_suffix", descriptor_length_max);
    update.transfer_group = params.text_change("transfer_group");
    update.shipping = params.shipping_change();
    if (auto types = payment_method_types(params); !types.empty())
        update.payment_method_types = {true, std::move(types)};
    update.metadata = params.metadata_change();
    InstrumentInput instrument = read_instrument(params);
    const bool detach = instrument.cleared;
    ignore_unused(params,
                  {"payment_method_options", "excluded_payment_method_types", "amount_details"});
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent));
    CO_TRY_VOID(params.done());
    CO_TRY(update.payment_method,
           co_await resolve_instrument(services, call, std::move(instrument)));
    if (detach) update.payment_method = core::PaymentMethodChoice{};
    co_return co_await execute(services, call, std::move(update), std::move(expand));
}

Task<Reply> confirm_payment_intent(Services& services, Call& call) {
    Params& params = call.params;
    CO_TRY(auto id, path_id<PaymentIntent>(call, "payment_intent"));
    core::ConfirmPaymentIntent confirm{.id = id};
    // When the money is taken is the merchant's to say: to a payer the parameter is unknown.
    if (!call.publishable) {
        if (auto method = params.named<CaptureMethod>("capture_method"))
            confirm.capture_method = {true, *method};
    }
    confirm.setup_future_usage = setup_future_usage(params);
    confirm.receipt_email = params.text_change("receipt_email", 800);
    confirm.return_url = params.text_change("return_url");
    confirm.shipping = params.shipping_change();
    const ConfirmOptions options = confirm_options(params);
    confirm.error_on_requires_action = options.error_on_requires_action;
    confirm.off_session = options.off_session;
    (void)payment_method_types(params);
    auto client_secret = params.text("client_secret", 200);
    InstrumentInput instrument = read_instrument(params);
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent));
    CO_TRY_VOID(params.done());
    if (call.publishable || client_secret) {
        CO_TRY(auto row, co_await find_row(services.store, services.processor, call.account->id, id,
                                           call.deadline));
        if (!row) co_return fail(missing_resource("payment_intent", id.str(), "intent"));
        if (!may_use(call, services.identity, *row, client_secret))
            co_return fail(wrong_client_secret());
    }
    CO_TRY(confirm.payment_method,
           co_await resolve_instrument(services, call, std::move(instrument)));
    co_return co_await execute(services, call, std::move(confirm), std::move(expand));
}

Task<Reply> capture_payment_intent(Services& services, Call& call) {
    Params& params = call.params;
    CO_TRY(auto id, path_id<PaymentIntent>(call, "payment_intent"));
    core::CapturePaymentIntent capture{.id = id};
    capture.amount_to_capture_minor = params.integer("amount_to_capture", 1);
    capture.statement_descriptor =
        params.text_change("statement_descriptor", descriptor_length_max);
    capture.statement_descriptor_suffix =
        params.text_change("statement_descriptor_suffix", descriptor_length_max);
    capture.metadata = params.metadata_change();
    if (params.boolean("final_capture").value_or(true) == false)
        params.problem(invalid_parameter("parameter_invalid", "final_capture",
                                         "Holdfast captures a payment once; the rest of a partial "
                                         "capture is released."));
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent));
    CO_TRY_VOID(params.done());
    co_return co_await execute(services, call, std::move(capture), std::move(expand));
}

Task<Reply> cancel_payment_intent(Services& services, Call& call) {
    Params& params = call.params;
    CO_TRY(auto id, path_id<PaymentIntent>(call, "payment_intent"));
    core::CancelPaymentIntent cancel{.id = id};
    if (auto reason = params.one_of("cancellation_reason", {"duplicate", "fraudulent",
                                                            "requested_by_customer", "abandoned"}))
        cancel.reason = *core::parse_name<core::CancellationReason>(*reason);
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent));
    CO_TRY_VOID(params.done());
    co_return co_await execute(services, call, cancel, std::move(expand));
}

Task<Reply> list_payment_intents(Services& services, Call& call) {
    store::ListQuery query = list_query(call);
    if (auto id = call.params.id<core::Customer>("customer", "customer")) query.customer = *id;
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentIntent, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto page, co_await services.store.list_payment_intents(
                          call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

} // namespace holdfast::api
