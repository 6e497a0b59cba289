#include "api/routes.h"

#include <algorithm>

namespace holdfast::api {
namespace {

constexpr bool with_secret_key = false, with_publishable_key = true;
constexpr bool stands_in = true;
/// What is shed first when there is too much: browse, then checkout (api/admission.h).
constexpr auto payment = Urgency::Payment, checkout = Urgency::Checkout, browse = Urgency::Browse;

constexpr Route routes[] = {
    {Method::Post, "/v1/payment_intents", create_payment_intent, payment, with_secret_key,
     stands_in},
    {Method::Post, "/v1/payment_intents/{}/confirm", confirm_payment_intent, payment,
     with_publishable_key, stands_in},
    {Method::Get, "/v1/payment_intents/{}", retrieve_payment_intent, checkout,
     with_publishable_key},
    {Method::Post, "/v1/payment_intents/{}/capture", capture_payment_intent, payment},
    {Method::Post, "/v1/payment_intents/{}/cancel", cancel_payment_intent, payment},
    {Method::Post, "/v1/payment_intents/{}", update_payment_intent, checkout},
    {Method::Get, "/v1/payment_intents", list_payment_intents, browse},

    {Method::Post, "/v1/customers", create_customer, checkout},
    {Method::Get, "/v1/customers", list_customers, browse},
    {Method::Get, "/v1/customers/{}", retrieve_customer, checkout},
    {Method::Post, "/v1/customers/{}", update_customer, checkout},
    {Method::Delete, "/v1/customers/{}", delete_customer, browse},
    {Method::Get, "/v1/customers/{}/payment_methods", list_customer_payment_methods, checkout},
    {Method::Get, "/v1/customers/{}/payment_methods/{}", retrieve_customer_payment_method,
     checkout},

    {Method::Post, "/v1/payment_methods", create_payment_method, checkout, with_publishable_key},
    {Method::Get, "/v1/payment_methods", list_payment_methods, browse},
    {Method::Get, "/v1/payment_methods/{}", retrieve_payment_method, checkout},
    {Method::Post, "/v1/payment_methods/{}", update_payment_method, checkout},
    {Method::Post, "/v1/payment_methods/{}/attach", attach_payment_method, checkout},
    {Method::Post, "/v1/payment_methods/{}/detach", detach_payment_method, checkout},

    {Method::Post, "/v1/tokens", create_token, checkout, with_publishable_key},
    {Method::Get, "/v1/tokens/{}", retrieve_token, checkout, with_publishable_key},

    {Method::Get, "/v1/charges", list_charges, browse},
    {Method::Get, "/v1/charges/{}", retrieve_charge, browse},
    {Method::Post, "/v1/charges/{}", update_charge, browse},
    {Method::Post, "/v1/charges/{}/capture", capture_charge, payment},
    {Method::Get, "/v1/charges/{}/refunds", list_charge_refunds, browse},

    {Method::Post, "/v1/refunds", create_refund, payment},
    {Method::Get, "/v1/refunds", list_refunds, browse},
    {Method::Get, "/v1/refunds/{}", retrieve_refund, browse},
    {Method::Post, "/v1/refunds/{}", update_refund, browse},
    {Method::Post, "/v1/refunds/{}/cancel", cancel_refund, payment},

    {Method::Get, "/v1/events", list_events, browse},
    {Method::Get, "/v1/events/{}", retrieve_event, browse},
    {Method::Get, "/v1/balance", retrieve_balance, browse},
    {Method::Get, "/v1/balance_transactions", list_balance_transactions, browse},
    {Method::Get, "/v1/balance_transactions/{}", retrieve_balance_transaction, browse},
};

/// Takes the next segment off a path that starts with '/'.
std::string_view next_segment(std::string_view& path) {
    if (path.empty()) return {};
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    std::string_view segment = path.substr(0, end);
    path.remove_prefix(end);
    return segment;
}

bool matches(std::string_view pattern, std::string_view path, std::vector<std::string>& ids) {
    ids.clear();
    while (!pattern.empty() && !path.empty()) {
        const std::string_view want = next_segment(pattern);
        const std::string_view got = next_segment(path);
        if (want == "{}") {
            if (got.empty()) return false;
            ids.emplace_back(got);
        } else if (want != got) {
            return false;
        }
    }
    return pattern.empty() && path.empty();
}

} // namespace

std::string_view to_string(Method method) {
    switch (method) {
        case Method::Get: return "GET";
        case Method::Post: return "POST";
        case Method::Delete: return "DELETE";
    }
    return {};
}

Match match_route(std::string_view method, std::string_view path) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    Match match;
    for (const Route& route : routes) {
        if (!matches(route.pattern, path, match.path_ids)) continue;
        if (to_string(route.method) == method) {
            match.route = &route;
            return match;
        }
        match.other_method = true;
    }
    match.path_ids.clear();
    return match;
}

std::vector<Route> all_routes() { return {std::begin(routes), std::end(routes)}; }

} // namespace holdfast::api
