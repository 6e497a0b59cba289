#include "api/expand.h"

#include "api/rows.h"

#include "api/errors.h"
#include "core/snapshot.h"

#include <fmt/format.h>

#include <span>

namespace holdfast::api {
namespace {

using core::ObjectKind;

/// What stands behind an expandable field. `Nothing`: a feature we do not have, always null.
enum class Target : std::uint8_t { Object, Refunds, Nothing };

struct Expandable {
    std::string_view field;
    Target target;
    ObjectKind kind = ObjectKind::Account;
    ObjectKind or_kind = ObjectKind::Account; ///< where two kinds may stand
};

constexpr Expandable payment_intent_fields[] = {
    {"customer", Target::Object, ObjectKind::Customer},
    {"payment_method", Target::Object, ObjectKind::PaymentMethod},
    {"latest_charge", Target::Object, ObjectKind::Charge},
    {"application", Target::Nothing},
    {"on_behalf_of", Target::Nothing},
    {"payment_record", Target::Nothing},
    {"review", Target::Nothing},
    {"source", Target::Nothing},
};
constexpr Expandable charge_fields[] = {
    {"balance_transaction", Target::Object, ObjectKind::BalanceTransaction},
    {"customer", Target::Object, ObjectKind::Customer},
    {"payment_intent", Target::Object, ObjectKind::PaymentIntent},
    {"refunds", Target::Refunds},
    {"application", Target::Nothing},
    {"application_fee", Target::Nothing},
    {"failure_balance_transaction", Target::Nothing},
    {"on_behalf_of", Target::Nothing},
    {"review", Target::Nothing},
    {"source_transfer", Target::Nothing},
    {"transfer", Target::Nothing},
};
constexpr Expandable refund_fields[] = {
    {"balance_transaction", Target::Object, ObjectKind::BalanceTransaction},
    {"charge", Target::Object, ObjectKind::Charge},
    {"payment_intent", Target::Object, ObjectKind::PaymentIntent},
    {"failure_balance_transaction", Target::Object, ObjectKind::BalanceTransaction},
    {"source_transfer_reversal", Target::Nothing},
    {"transfer_reversal", Target::Nothing},
};
constexpr Expandable customer_fields[] = {
    {"default_source", Target::Nothing}, {"sources", Target::Nothing},
    {"subscriptions", Target::Nothing},  {"tax", Target::Nothing},
    {"test_clock", Target::Nothing},
};
constexpr Expandable payment_method_fields[] = {
    {"customer", Target::Object, ObjectKind::Customer},
};
constexpr Expandable balance_transaction_fields[] = {
    {"source", Target::Object, ObjectKind::Charge, ObjectKind::Refund},
};

std::span<const Expandable> expandable_fields(ObjectKind kind) {
    switch (kind) {
        case ObjectKind::PaymentIntent: return payment_intent_fields;
        case ObjectKind::Charge: return charge_fields;
        case ObjectKind::Refund: return refund_fields;
        case ObjectKind::Customer: return customer_fields;
        case ObjectKind::PaymentMethod: return payment_method_fields;
        case ObjectKind::BalanceTransaction: return balance_transaction_fields;
        default: return {};
    }
}

const Expandable* expandable(ObjectKind kind, std::string_view field) {
    for (const Expandable& e : expandable_fields(kind))
        if (e.field == field) return &e;
    return nullptr;
}

Error not_expandable(std::string_view path) {
    return invalid_parameter("parameter_invalid", "expand",
                             fmt::format("This property cannot be expanded ({}).", path));
}

/// The id that stands in `field` of an object; nil when there is none.
struct ReferenceOf {
    std::string_view field;

    Uuid operator()(const core::PaymentIntent& p) const {
        if (field == "customer") return p.customer.uuid();
        if (field == "payment_method") return p.payment_method.uuid();
        if (field == "latest_charge") return p.latest_charge.uuid();
        return {};
    }
    Uuid operator()(const core::Charge& c) const {
        if (field == "balance_transaction") return c.balance_transaction.uuid();
        if (field == "customer") return c.customer.uuid();
        if (field == "payment_intent") return c.payment_intent.uuid();
        return {};
    }
    Uuid operator()(const core::Refund& r) const {
        if (field == "balance_transaction") return r.balance_transaction.uuid();
        if (field == "charge") return r.charge.uuid();
        if (field == "payment_intent") return r.payment_intent.uuid();
        if (field == "failure_balance_transaction") return r.failure_balance_transaction.uuid();
        return {};
    }
    Uuid operator()(const core::PaymentMethod& m) const {
        return field == "customer" ? m.customer.uuid() : Uuid{};
    }
    Uuid operator()(const core::BalanceTransaction& t) const {
        return field == "source" ? t.source : Uuid{};
    }
    template <class T> Uuid operator()(const T&) const { return {}; }
};

} // namespace

Result<ExpandTree> parse_expand(ObjectKind kind, const std::vector<std::string>& paths, bool list) {
    ExpandTree root;
    if (paths.size() > expand_paths_max)
        return fail(invalid_parameter(
            "parameter_invalid", "expand",
            fmt::format("You can expand at most {} properties at once.", expand_paths_max)));
    for (const std::string& path : paths) {
        std::string_view rest = path;
        if (list) {
            if (!rest.starts_with("data.")) return fail(not_expandable(path));
            rest.remove_prefix(5);
        }
        ExpandTree* node = &root;
        ObjectKind at = kind;
        ObjectKind or_at = ObjectKind::Account;
        for (std::size_t depth = 0; !rest.empty(); ++depth) {
            if (depth == expand_depth_max)
                return fail(invalid_parameter(
                    "parameter_invalid", "expand",
                    fmt::format("You cannot expand more than {} levels of a property ({}).",
                                expand_depth_max, path)));
            const std::size_t dot = rest.find('.');
            const std::string_view field = rest.substr(0, dot);
            const Expandable* e = expandable(at, field);
            if (!e) e = expandable(or_at, field);
            const bool leaf = dot == std::string_view::npos;
            if (!e || (!leaf && e->target != Target::Object)) return fail(not_expandable(path));
            node = &node->children[std::string(field)];
            at = e->kind;
            or_at = e->or_kind;
            if (leaf) break;
            rest.remove_prefix(dot + 1);
            if (rest.empty()) return fail(not_expandable(path));
        }
        if (node == &root) return fail(not_expandable(path));
    }
    return root;
}

Result<Object> object_of(const core::Snapshot& snapshot) {
    switch (snapshot.kind) {
        case ObjectKind::Customer: {
            TRY(auto o, core::restore<core::Customer>(snapshot));
            return Object(std::move(o));
        }
        case ObjectKind::PaymentMethod: {
            TRY(auto o, core::restore<core::PaymentMethod>(snapshot));
            return Object(std::move(o));
        }
        case ObjectKind::Token: {
            TRY(auto o, core::restore<core::Token>(snapshot));
            return Object(std::move(o));
        }
        case ObjectKind::PaymentIntent: {
            TRY(auto o, core::restore<core::PaymentIntent>(snapshot));
            return Object(std::move(o));
        }
        case ObjectKind::Charge: {
            TRY(auto o, core::restore<core::Charge>(snapshot));
            return Object(std::move(o));
        }
        case ObjectKind::Refund: {
            TRY(auto o, core::restore<core::Refund>(snapshot));
            return Object(std::move(o));
        }
        default:
            return fail(ErrorClass::Bug, "snapshot_kind", "this kind of object has no snapshot");
    }
}

ObjectKind kind_of(const Object& object) {
    struct KindOf {
        ObjectKind operator()(const core::Customer&) const { return ObjectKind::Customer; }
        ObjectKind operator()(const core::PaymentMethod&) const {
            return ObjectKind::PaymentMethod;
        }
        ObjectKind operator()(const core::Token&) const { return ObjectKind::Token; }
        ObjectKind operator()(const core::PaymentIntent&) const {
            return ObjectKind::PaymentIntent;
        }
        ObjectKind operator()(const core::Charge&) const { return ObjectKind::Charge; }
        ObjectKind operator()(const core::Refund&) const { return ObjectKind::Refund; }
        ObjectKind operator()(const core::BalanceTransaction&) const {
            return ObjectKind::BalanceTransaction;
        }
        ObjectKind operator()(const core::Event&) const { return ObjectKind::Event; }
    };
    return std::visit(KindOf{}, object);
}

namespace {

template <class T>
Task<std::optional<Object>> load_as(store::Reads& store, const processor::Processor& processor,
                                    Id<core::Account> account, Uuid id, Deadline deadline) {
    CO_TRY(std::optional<T> row, co_await find_row(store, processor, account, Id<T>(id), deadline));
    if (!row) co_return std::nullopt;
    co_return Object(std::move(*row));
}

} // namespace

Task<std::optional<Object>> Presenter::load(ObjectKind kind, Id<core::Account> account, Uuid id,
                                            Deadline deadline) {
    switch (kind) {
        case ObjectKind::Customer:
            co_return co_await load_as<core::Customer>(store_, processor_, account, id, deadline);
        case ObjectKind::PaymentMethod:
            co_return co_await load_as<core::PaymentMethod>(store_, processor_, account, id,
                                                            deadline);
        case ObjectKind::Token:
            co_return co_await load_as<core::Token>(store_, processor_, account, id, deadline);
        case ObjectKind::PaymentIntent:
            co_return co_await load_as<core::PaymentIntent>(store_, processor_, account, id,
                                                            deadline);
        case ObjectKind::Charge:
            co_return co_await load_as<core::Charge>(store_, processor_, account, id, deadline);
        case ObjectKind::Refund:
            co_return co_await load_as<core::Refund>(store_, processor_, account, id, deadline);
        case ObjectKind::BalanceTransaction:
            co_return co_await load_as<core::BalanceTransaction>(store_, processor_, account, id,
                                                                 deadline);
        case ObjectKind::Event:
            co_return co_await load_as<core::Event>(store_, processor_, account, id, deadline);
        default: co_return std::nullopt;
    }
}

Task<std::string> Presenter::sublist(const core::Charge& charge, const core::Account& account,
                                     WallTime now, Deadline deadline) {
    store::ListQuery query;
    query.charge = charge.id;
    CO_TRY(auto page, co_await store_.list_refunds(account.id, query, deadline));
    const View view{account, identity_, now};
    std::vector<std::string> data;
    for (core::Refund& refund : page.data) data.push_back(render(Object(std::move(refund)), view));
    co_return render_list(fmt::format("/v1/charges/{}/refunds", charge.id.str()), page.has_more,
                          data);
}

Task<std::string> Presenter::present(Object object, ExpandTree expand, const core::Account& account,
                                     WallTime now, Deadline deadline) {
    Expansions expansions;
    const ObjectKind kind = kind_of(object);
    for (auto& [field, below] : expand.children) {
        const Expandable* e = expandable(kind, field);
        if (!e || e->target == Target::Nothing) continue; // stays null
        if (e->target == Target::Refunds) {
            CO_TRY(auto list,
                   co_await sublist(std::get<core::Charge>(object), account, now, deadline));
            expansions.emplace(field, std::move(list));
            continue;
        }
        const Uuid id = std::visit(ReferenceOf{field}, object);
        if (id.is_nil()) continue;
        const auto* txn = std::get_if<core::BalanceTransaction>(&object);
        CO_TRY(auto target,
               co_await load(txn ? txn->source_kind : e->kind, account.id, id, deadline));
        if (!target) continue;
        const auto* customer = std::get_if<core::Customer>(&*target);
        if (customer && customer->deleted) {
            expansions.emplace(field, render_deleted_customer(*customer));
            continue;
        }
        CO_TRY(auto json,
               co_await present(std::move(*target), std::move(below), account, now, deadline));
        expansions.emplace(field, std::move(json));
    }
    if (const auto* p = std::get_if<core::PaymentIntent>(&object);
        p && p->last_error && p->last_error->payment_method) {
        CO_TRY(auto method, co_await find_row(store_, processor_, account.id,
                                              p->last_error->payment_method, deadline));
        if (method)
            expansions.emplace("last_payment_error.payment_method",
                               render(Object(std::move(*method)), {account, identity_, now}));
    }
    if (const auto* event = std::get_if<core::Event>(&object)) {
        CO_TRY(auto inner, object_of(event->object));
        const auto* customer = std::get_if<core::Customer>(&inner);
        if (customer && customer->deleted) {
            expansions.emplace("data.object", render(inner, {account, identity_, now}));
        } else {
            CO_TRY(auto json,
                   co_await present(std::move(inner), ExpandTree{}, account, now, deadline));
            expansions.emplace("data.object", std::move(json));
        }
    }
    co_return render(object, {account, identity_, now}, expansions);
}

} // namespace holdfast::api
