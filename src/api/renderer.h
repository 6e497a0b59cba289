#pragma once

// Renderer: one object being written, for render.cc. What the pieces of objects look like is in
// renderer_parts.cc, what payments look like in renderer_payments.cc.

#include "api/render.h"
#include "base/json_writer.h"

#include <initializer_list>

namespace holdfast::api {

using core::Charge;
using core::PaymentIntent;
using core::PaymentMethod;

/// The writer plus what surrounds the object. One operator() per kind.
struct Renderer {
    JsonWriter& w;
    const View& view;
    const Expansions& expansions;

    /// An id, or null, or the expanded object.
    template <class T> void reference(std::string_view field, const Id<T>& id) {
        w.key(field);
        if (auto it = expansions.find(field); it != expansions.end())
            w.raw(it->second);
        else if (id.is_nil())
            w.value(nullptr);
        else
            w.value(id.str());
    }

    void nulls(std::initializer_list<std::string_view> fields);

    void seconds(std::string_view field, WallTime time);

    void metadata(const core::Metadata& metadata);

    void address(const core::Address& a);

    void address_field(std::string_view field, const std::optional<core::Address>& a);

    void shipping(const std::optional<core::Shipping>& s);

    void billing_details(const core::BillingDetails& b);

    void checks();

    void card_core(const core::CardDetails& c);

    void card_error(const core::PaymentError& error);

    static std::string doc_anchor(std::string code);

    void operator()(const core::Customer& c);

    void operator()(const PaymentMethod& m);

    void operator()(const core::Token& t);

    void automatic_payment_methods(const PaymentIntent& p);

    void cancellation(const PaymentIntent& p);

    void payment_method_types(const PaymentIntent& p);

    void setup_future_usage(const PaymentIntent& p);

    void operator()(const PaymentIntent& p);

    void charge_outcome(const Charge& c);

    void charge_card(const Charge& c);

    void operator()(const Charge& c);

    void operator()(const core::Refund& r);

    void operator()(const core::BalanceTransaction& t);

    void operator()(const core::Event& e);
};

} // namespace holdfast::api
