#include "api/handlers.h"

namespace holdfast::api {
namespace {

using core::Customer;
using core::ObjectKind;

constexpr std::size_t name_length_max = 256;
constexpr std::size_t phone_length_max = 20;
constexpr std::int64_t balance_minor_bound = 9'999'999'999;

/// tax_exempt is kept as the API spells it.
std::optional<std::string> tax_exempt(Params& params) {
    if (params.cleared("tax_exempt")) return "none";
    return params.one_of("tax_exempt", {"none", "exempt", "reverse"});
}

/// invoice_settings[default_payment_method]; the rest of invoice_settings has no effect yet.
core::Change<Id<core::PaymentMethod>> default_payment_method(Params& params) {
    Params settings = params.map("invoice_settings");
    core::Change<Id<core::PaymentMethod>> change;
    if (settings.cleared("default_payment_method")) {
        change.set = true;
    } else if (auto id =
                   settings.id<core::PaymentMethod>("default_payment_method", "PaymentMethod")) {
        change = {true, *id};
    }
    return change;
}

template <class T> core::Change<T> change_of(std::optional<T> value) {
    if (!value) return {};
    return {true, std::move(*value)};
}

} // namespace

Task<Reply> create_customer(Services& services, Call& call) {
    Params& params = call.params;
    Customer customer;
    customer.id = new_id<Customer>(services, call);
    customer.account = call.account->id;
    customer.email = params.email("email");
    customer.name = params.text("name", name_length_max);
    customer.phone = params.text("phone", phone_length_max);
    customer.description = params.text("description");
    customer.address = params.address("address");
    customer.shipping = params.shipping_change().value;
    customer.preferred_locales = params.texts("preferred_locales", 35);
    customer.tax_exempt = tax_exempt(params).value_or("none");
    customer.balance_minor =
        params.integer("balance", -balance_minor_bound, balance_minor_bound).value_or(0);
    customer.metadata = params.metadata();
    if (params.has("payment_method"))
        params.problem(invalid_parameter("parameter_invalid", "payment_method",
                                         "Attach a payment method after creating the customer: "
                                         "POST /v1/payment_methods/{id}/attach."));
    CO_TRY(auto expand, expand_of(call, ObjectKind::Customer));
    CO_TRY_VOID(params.done());
    co_return co_await execute(services, call, core::CreateCustomer{std::move(customer)},
                               std::move(expand));
}

Task<Reply> retrieve_customer(Services& services, Call& call) {
    CO_TRY(auto id, path_id<Customer>(call, "customer"));
    CO_TRY(auto expand, expand_of(call, ObjectKind::Customer));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto row, co_await services.store.find(call.account->id, id, call.deadline));
    if (!row) co_return fail(missing_resource("customer", id.str(), "id"));
    if (row->deleted) co_return Reply{.body = render_deleted_customer(*row)};
    co_return co_await show(services, call, Object(std::move(*row)), std::move(expand));
}

Task<Reply> update_customer(Services& services, Call& call) {
    Params& params = call.params;
    CO_TRY(auto id, path_id<Customer>(call, "customer"));
    core::UpdateCustomer update{.id = id};
    update.email = params.text_change("email", 512);
    update.name = params.text_change("name", name_length_max);
    update.phone = params.text_change("phone", phone_length_max);
    update.description = params.text_change("description");
    if (params.cleared("address"))
        update.address.set = true;
    else if (auto address = params.address("address"))
        update.address = {true, std::move(address)};
    update.shipping = params.shipping_change();
    update.default_payment_method = default_payment_method(params);
    if (params.has("preferred_locales"))
        update.preferred_locales = {true, params.texts("preferred_locales", 35)};
    update.tax_exempt = change_of(tax_exempt(params));
    update.balance_minor =
        change_of(params.integer("balance", -balance_minor_bound, balance_minor_bound));
    update.metadata = params.metadata_change();
    CO_TRY(auto expand, expand_of(call, ObjectKind::Customer));
    CO_TRY_VOID(params.done());
    co_return co_await execute(services, call, std::move(update), std::move(expand));
}

Task<Reply> delete_customer(Services& services, Call& call) {
    CO_TRY(auto id, path_id<Customer>(call, "customer"));
    CO_TRY_VOID(call.params.done());
    core::Command command{.account = call.account->id,
                          .request = call.request,
                          .received = call.received,
                          .body = core::DeleteCustomer{id}};
    CO_TRY(auto outcome, co_await services.processor.pay(std::move(command), call.deadline));
    Customer deleted{.id = id};
    co_return Reply{.body = render_deleted_customer(deleted),
                    .replayed = outcome.replayed,
                    .original_request = outcome.original_request};
}

Task<Reply> list_customers(Services& services, Call& call) {
    store::ListQuery query = list_query(call);
    query.email = call.params.text("email", 512);
    CO_TRY(auto expand, expand_of(call, ObjectKind::Customer, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto page, co_await services.store.list_customers(call.account->id, std::move(query),
                                                             call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

namespace {

/// Customers that were deleted have nothing to list.
Task<Id<Customer>> living_customer(Services& services, Call& call) {
    CO_TRY(auto id, path_id<Customer>(call, "customer"));
    CO_TRY(auto row, co_await services.store.find(call.account->id, id, call.deadline));
    if (!row || row->deleted) co_return fail(missing_resource("customer", id.str(), "id"));
    co_return id;
}

} // namespace

Task<Reply> list_customer_payment_methods(Services& services, Call& call) {
    CO_TRY(auto customer, co_await living_customer(services, call));
    store::ListQuery query = list_query(call);
    query.customer = customer;
    (void)call.params.one_of("type", {"card"});
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentMethod, true));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto page, co_await services.store.list_payment_methods(
                          call.account->id, std::move(query), call.deadline));
    co_return co_await show_page(services, call, std::move(page), std::move(expand));
}

Task<Reply> retrieve_customer_payment_method(Services& services, Call& call) {
    CO_TRY(auto customer, co_await living_customer(services, call));
    const std::string& text = call.path_ids.at(1);
    auto id = Id<core::PaymentMethod>::parse(text);
    CO_TRY(auto expand, expand_of(call, ObjectKind::PaymentMethod));
    CO_TRY_VOID(call.params.done());
    if (!id) co_return fail(missing_resource("PaymentMethod", text, "payment_method"));
    CO_TRY(auto row, co_await services.store.find(call.account->id, *id, call.deadline));
    if (!row || row->customer != customer)
        co_return fail(missing_resource("PaymentMethod", text, "payment_method"));
    co_return co_await show(services, call, Object(std::move(*row)), std::move(expand));
}

} // namespace holdfast::api
