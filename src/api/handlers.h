#pragma once

// The handlers of payment-api, by resource; routes.cc says which path each answers.
// Files: customers.cc, payment_methods.cc, payment_intents.cc, charges.cc, refunds.cc, balance.cc.

#include "api/call.h"

namespace holdfast::api {

Task<Reply> create_customer(Services&, Call&);
Task<Reply> retrieve_customer(Services&, Call&);
Task<Reply> update_customer(Services&, Call&);
Task<Reply> delete_customer(Services&, Call&);
Task<Reply> list_customers(Services&, Call&);
Task<Reply> list_customer_payment_methods(Services&, Call&);
Task<Reply> retrieve_customer_payment_method(Services&, Call&);

Task<Reply> create_token(Services&, Call&);
Task<Reply> retrieve_token(Services&, Call&);

Task<Reply> create_payment_method(Services&, Call&);
Task<Reply> retrieve_payment_method(Services&, Call&);
Task<Reply> update_payment_method(Services&, Call&);
Task<Reply> attach_payment_method(Services&, Call&);
Task<Reply> detach_payment_method(Services&, Call&);
Task<Reply> list_payment_methods(Services&, Call&);

Task<Reply> create_payment_intent(Services&, Call&);
Task<Reply> retrieve_payment_intent(Services&, Call&);
Task<Reply> update_payment_intent(Services&, Call&);
Task<Reply> confirm_payment_intent(Services&, Call&);
Task<Reply> capture_payment_intent(Services&, Call&);
Task<Reply> cancel_payment_intent(Services&, Call&);
Task<Reply> list_payment_intents(Services&, Call&);

Task<Reply> retrieve_charge(Services&, Call&);
Task<Reply> update_charge(Services&, Call&);
Task<Reply> capture_charge(Services&, Call&);
Task<Reply> list_charges(Services&, Call&);
Task<Reply> list_charge_refunds(Services&, Call&);

Task<Reply> create_refund(Services&, Call&);
Task<Reply> retrieve_refund(Services&, Call&);
Task<Reply> update_refund(Services&, Call&);
Task<Reply> cancel_refund(Services&, Call&);
Task<Reply> list_refunds(Services&, Call&);

Task<Reply> retrieve_event(Services&, Call&);
Task<Reply> list_events(Services&, Call&);
Task<Reply> retrieve_balance(Services&, Call&);
Task<Reply> retrieve_balance_transaction(Services&, Call&);
Task<Reply> list_balance_transactions(Services&, Call&);

} // namespace holdfast::api
