#pragma once

// render: objects as JSON, in the shape of the Stripe API version that api_version names.
//
// Pure functions: what an object refers to stands as an id unless `Expansions` brings the JSON of
// the thing itself (expand.h loads those). Fields of features that Holdfast does not have are
// rendered with the value Stripe gives when they are unused, because clients are typed.
//
// Source: docs.stripe.com/api and the type declarations of the npm client `stripe` 23.

#include "core/identity.h"
#include "core/ledger.h"
#include "core/objects.h"
#include "core/unit_of_work.h"
#include "store/store.h"

#include <map>
#include <string>
#include <string_view>
#include <variant>

namespace holdfast::api {

inline constexpr std::string_view api_version = "2026-10-28.endive";

using Object = std::variant<core::Customer, core::PaymentMethod, core::Token, core::PaymentIntent,
                            core::Charge, core::Refund, core::BalanceTransaction, core::Event>;

/// Field name -> JSON to stand there instead of an id.
using Expansions = std::map<std::string, std::string, std::less<>>;

/// What every object of one answer needs besides itself.
struct View {
    const core::Account& account;
    const core::Identity& identity;
    WallTime now; ///< decides whether funds count as available
};

/// Events carry their object: expansions["data.object"] must be there.
std::string render(const Object& object, const View& view, const Expansions& expansions = {});

/// What a publishable key and a client secret may see of a payment: what the payer needs to finish
/// it, and nothing about the merchant's customer or metadata.
std::string render_for_payer(const core::PaymentIntent& payment, const View& view);

std::string render_deleted_customer(const core::Customer& customer);
std::string render_balance(const store::Balance& balance, const View& view);
/// {"object":"list","url":...,"has_more":...,"data":[...]}
std::string render_list(std::string_view url, bool has_more, const std::vector<std::string>& data);

/// "pi_3k..." of any object.
std::string id_of(const Object& object);
Uuid uuid_of(const Object& object);

/// Text ids by kind, for sources of balance transactions and the like.
std::string id_text(core::ObjectKind kind, const Uuid& id);

} // namespace holdfast::api
