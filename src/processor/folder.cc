#include "processor/folder.h"

#include "base/log.h"
#include "net/timer.h"

namespace holdfast::processor {

using net::Deadline;
using net::Task;

Folder::Folder(net::Loop& loop, Env& env, store::Store& store, FolderOptions options)
    : env_(env), store_(store), options_(options), gate_(loop, "folder") {}

void Folder::start() {
    if (auto started = gate_.spawn(run()); !started) BUG("folder started after its stop");
}

Task<void> Folder::stop(Deadline deadline) {
    gate_.cancel();
    return gate_.close(deadline);
}

Task<void> Folder::run() {
    for (;;) {
        CO_TRY_VOID(co_await net::sleep_for(options_.interval));
        Result<void> done = co_await turn();
        if (done) continue;
        if (done.error().code == "cancelled") co_return done;
        log::warn("folding_failed", {{"error", to_string(done.error())}});
    }
}

Task<void> Folder::turn() {
    for (std::int64_t folded = options_.fold_limit; folded >= options_.fold_limit;) {
        CO_TRY(folded, co_await store_.fold_balances(options_.fold_limit,
                                                     Deadline::after(options_.step_timeout)));
    }
    for (std::int64_t expired = options_.expire_limit; expired >= options_.expire_limit;) {
        CO_TRY(expired, co_await store_.expire_replays(env_.wall() - options_.replay_retention,
                                                       options_.expire_limit,
                                                       Deadline::after(options_.step_timeout)));
    }
    co_return Result<void>{};
}

} // namespace holdfast::processor
