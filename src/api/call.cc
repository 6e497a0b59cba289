#include "api/call.h"

namespace holdfast::api {

Result<ExpandTree> expand_of(Call& call, core::ObjectKind kind, bool list) {
    return parse_expand(kind, call.params.texts("expand"), list);
}

namespace {

/// The object as this caller may see it.
Task<std::string> presented(Services& services, Call& call, Object object, ExpandTree expand) {
    if (const auto* payment = std::get_if<core::PaymentIntent>(&object);
        payment && call.publishable)
        co_return render_for_payer(*payment, {*call.account, services.identity, call.received});
    co_return co_await services.presenter.present(std::move(object), std::move(expand),
                                                  *call.account, call.received, call.deadline);
}

} // namespace

Task<Reply> show(Services& services, Call& call, Object object, ExpandTree expand) {
    CO_TRY(auto json, co_await presented(services, call, std::move(object), std::move(expand)));
    co_return Reply{.body = std::move(json)};
}

namespace {

/// An error behind the point where the command was done, which those of reading call nothing done.
Error done_but_unread(Error error) {
    if (error.kind == ErrorClass::Overload || error.kind == ErrorClass::Deadline ||
        error.kind == ErrorClass::Unavailable)
        error.kind = ErrorClass::Unknown;
    return error;
}

} // namespace

Task<Reply> execute(Services& services, Call& call, core::CommandBody body, ExpandTree expand) {
    core::Command command{.account = call.account->id,
                          .request = call.request,
                          .received = call.received,
                          .body = std::move(body)};
    CO_TRY(auto outcome, co_await services.processor.pay(std::move(command), call.deadline));
    CO_TRY(auto object, object_of(outcome.answer.object));
    std::optional<PaymentSeen> seen;
    if (const auto* payment = std::get_if<core::PaymentIntent>(&object))
        seen = {payment->account, payment->id, payment->amount, payment->status};
    auto json = co_await presented(services, call, std::move(object), std::move(expand));
    if (!json) co_return fail(done_but_unread(std::move(json).error()));
    Reply reply = outcome.answer.declined ? declined_reply(*outcome.answer.declined, *json)
                                          : Reply{.body = std::move(*json)};
    reply.payment = seen;
    reply.replayed = outcome.replayed;
    reply.original_request = outcome.original_request;
    co_return reply;
}

namespace {

/// A cursor is the id of any listed object; its prefix was checked by nobody who knows the type,
/// so only its digits count, and a cursor that names nothing is refused by the store.
std::optional<Uuid> cursor(Params& params, std::string_view name) {
    auto text = params.text(name, 255);
    if (!text) return std::nullopt;
    const std::size_t digits = text->rfind('_') + 1;
    auto id = Uuid::from_base62(std::string_view(*text).substr(digits));
    if (!id) params.problem(missing_reference("object", *text, name));
    return id;
}

} // namespace

store::ListQuery list_query(Call& call) {
    Params& params = call.params;
    store::ListQuery query;
    if (auto limit = params.integer("limit", 1, 100)) query.limit = static_cast<int>(*limit);
    auto after = cursor(params, "starting_after");
    auto before = cursor(params, "ending_before");
    if (after && before)
        params.problem(invalid_parameter("parameter_invalid", "ending_before",
                                         "You may only specify one of these parameters: "
                                         "ending_before, starting_after."));
    query.cursor = after ? after : before;
    if (before) query.direction = store::PageDirection::EndingBefore;

    if (params.is_text("created")) {
        query.created_gte = params.integer("created");
        query.created_lte = query.created_gte;
    } else {
        Params created = params.map("created");
        query.created_gt = created.integer("gt");
        query.created_gte = created.integer("gte");
        query.created_lt = created.integer("lt");
        query.created_lte = created.integer("lte");
    }
    return query;
}

} // namespace holdfast::api
