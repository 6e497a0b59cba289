#include "drill/customers.h"

#include "base/form.h"
#include "base/id.h"

namespace holdfast::drill {

namespace {
constexpr std::int64_t amount_minor = 1'000;
} // namespace

Purchase& new_customer(Stage& stage) {
    return stage.customers.emplace_back(
        Purchase{.id = Uuid::time_ordered(stage.env).base62(), .amount_minor = amount_minor});
}

Call payment_of(const Purchase& customer, Ask ask) {
    FormWriter form;
    form.add("amount", customer.amount_minor)
        .add("currency", "usd")
        .add("payment_method", "pm_card_visa")
        .add("metadata[purchase_id]", customer.id)
        .add("metadata[beside_load]", "yes");
    if (ask == Ask::CreateAndConfirm) form.add("confirm", "true");
    return {.target = "/v1/payment_intents", .key = customer.id, .body = form.str()};
}

Result<std::unique_ptr<HttpWay>> way_to(Stage& stage, const std::string& api_base) {
    return HttpWay::create(stage.loop, api_base, stage.platform.ready().secret_key);
}

} // namespace holdfast::drill
