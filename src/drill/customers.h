#pragma once

// Customers beside the load: people whom a scenario sends on purpose, at a time and to an instance
// of its choice. The load is everybody; these few are those whom the fault is about.
//
// They are purchases as all others, so the three witnesses are asked about them (nothing lost,
// nothing doubled), but what they are told is for the scenario to judge: a payment on a damaged
// page must fail, and is none of the `failed`.
//
//   Purchase& customer = new_customer(stage);
//   auto answer = co_await way->send(payment_of(customer, Ask::Create), 0, deadline);

#include "drill/http_way.h"
#include "drill/stage.h"

namespace holdfast::drill {

/// The customer is on the stage, the reference stays valid.
Purchase& new_customer(Stage& stage);

enum class Ask : std::uint8_t { Create, CreateAndConfirm };
/// Under the purchase's id as idempotency key: asked twice, it is one payment.
Call payment_of(const Purchase& customer, Ask ask);

Result<std::unique_ptr<HttpWay>> way_to(Stage& stage, const std::string& api_base);

} // namespace holdfast::drill
