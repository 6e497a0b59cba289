#pragma once

// Call: one authenticated, decoded request on its way through a handler, and what handlers do with
// it. A handler reads parameters, checks them, and either reads objects or hands one Command to
// the processor; the answer is rendered in one place (execute).
//
// Handlers are coroutines that take Services and Call by reference: the router awaits each at once
// and keeps both alive.

#include "api/directory.h"
#include "api/errors.h"
#include "api/expand.h"
#include "api/params.h"
#include "api/rows.h"
#include "core/command.h"
#include "gateway/connector.h"
#include "processor/processor.h"

namespace holdfast::api {

struct Services {
    Env& env;
    store::Reads& store; ///< of a GET, the view for display
    processor::Processor& processor;
    gateway::Connector& connector;
    const core::Identity& identity;
    Directory& directory;
    Presenter& presenter;
};

struct Call {
    std::vector<std::string> path_ids; ///< what stood at the {} of the route's pattern
    Params params;
    const core::Account* account = nullptr;
    bool publishable = false;
    core::RequestContext request;
    WallTime received;
    Deadline deadline;
    std::string path; ///< for the url of lists
};

using Handler = Task<Reply> (*)(Services&, Call&);

/// Id of the object this request creates: derived from its key, or random without one.
template <class T> Id<T> new_id(Services& services, const Call& call) {
    if (call.request.replay_key.is_nil()) return Id<T>::time_ordered(services.env);
    return services.identity.created_by<T>(call.account->id, call.request.replay_key);
}

/// expand[] of this call, for an object of `kind`.
Result<ExpandTree> expand_of(Call& call, core::ObjectKind kind, bool list = false);

/// The id in the path, or resource_missing.
template <class T> Result<Id<T>> path_id(const Call& call, std::string_view what) {
    auto id = Id<T>::parse(call.path_ids.at(0));
    if (!id) return fail(missing_resource(what, call.path_ids.at(0), "id"));
    return *id;
}

/// Runs the command to its end and renders the object it answers with.
Task<Reply> execute(Services& services, Call& call, core::CommandBody body, ExpandTree expand);

/// 200 with the object.
Task<Reply> show(Services& services, Call& call, Object object, ExpandTree expand);

/// Reads one object by the id in the path. `T` as in store::Reads::find.
template <class T>
Task<Reply> retrieve(Services& services, Call& call, core::ObjectKind kind, std::string_view what) {
    CO_TRY(auto id, path_id<T>(call, what));
    CO_TRY(auto expand, expand_of(call, kind));
    CO_TRY_VOID(call.params.done());
    CO_TRY(auto row, co_await find_row(services.store, services.processor, call.account->id, id,
                                       call.deadline));
    if (!row) co_return fail(missing_resource(what, id.str(), "id"));
    co_return co_await show(services, call, Object(std::move(*row)), std::move(expand));
}

/// limit, starting_after, ending_before, created: what every list takes.
store::ListQuery list_query(Call& call);

/// Renders a page; `url` is the path of the list.
template <class T>
Task<Reply> show_page(Services& services, Call& call, store::Page<T> page, ExpandTree expand) {
    std::vector<std::string> data;
    data.reserve(page.data.size());
    for (T& row : page.data) {
        CO_TRY(auto json,
               co_await services.presenter.present(Object(std::move(row)), expand, *call.account,
                                                   call.received, call.deadline));
        data.push_back(std::move(json));
    }
    co_return Reply{.body = render_list(call.path, page.has_more, data)};
}

} // namespace holdfast::api
