#include "processor/folder.h"

#include "net/sim_loop.h"
#include "processor/fakes.h"

#include <gtest/gtest.h>

namespace holdfast::processor {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class FolderTest : public testing::Test {
  protected:
    template <class T> Result<T> run(net::Task<T> task) {
        return sim_.run(std::move(task), minutes{10});
    }
    SimEnv env_{5};
    struct Installed {
        explicit Installed(Env& env) { env.install(); }
    } installed_{env_};
    net::SimLoop sim_{env_, 5};
    ScriptedStore store_;
};

/// Commits `count` captures of an account, each with a replay record.
net::Task<void> commit_captures(store::Store& store, core::Account account, Env& env, int count) {
    net::Deadline deadline = net::Deadline::after(seconds{10});
    CO_TRY(auto lane, co_await store.open_lane(deadline));
    for (int i = 0; i < count; ++i) {
        CO_TRY(store::Batch batch, co_await lane->begin({}, store::LockMode::Skip, deadline));
        core::LedgerTransaction transaction;
        transaction.balance_transaction.id = Id<core::BalanceTransaction>::time_ordered(env);
        transaction.balance_transaction.account = account.id;
        CO_TRY(transaction.entries,
               core::post(core::PostingKind::Capture, account.id, core::Money{1000, {}}, 59));
        batch.work.transactions.push_back(std::move(transaction));
        batch.work.new_replays.push_back(
            {.account = account.id, .replay_key = Uuid::time_ordered(env), .created = env.wall()});
        CO_TRY_VOID(co_await lane->commit(std::move(batch.work), 1, deadline));
    }
    co_return Result<void>{};
}

TEST_F(FolderTest, ATurnGoesOnUntilNothingIsLeft) {
    core::Account account;
    account.id = Id<core::Account>::time_ordered(env_);
    ASSERT_TRUE(run(commit_captures(store_, account, env_, 10)).has_value());
    Folder folder(sim_.loop(), env_, store_, {.fold_limit = 3, .expire_limit = 2});
    env_.advance(hours{25});
    ASSERT_TRUE(run(folder.turn()).has_value());
    auto folded = run(store_.fold_balances(100, net::Deadline::after(seconds{1})));
    ASSERT_TRUE(folded.has_value());
    EXPECT_EQ(*folded, 0) << "nothing was left to fold";
    auto expired = run(store_.expire_replays(env_.wall(), 100, net::Deadline::after(seconds{1})));
    ASSERT_TRUE(expired.has_value());
    EXPECT_EQ(*expired, 0);
}

TEST_F(FolderTest, KeepsReplaysForTheirRetention) {
    core::Account account;
    account.id = Id<core::Account>::time_ordered(env_);
    ASSERT_TRUE(run(commit_captures(store_, account, env_, 2)).has_value());
    Folder folder(sim_.loop(), env_, store_);
    env_.advance(hours{23});
    ASSERT_TRUE(run(folder.turn()).has_value());
    auto left = run(store_.expire_replays(env_.wall(), 100, net::Deadline::after(seconds{1})));
    ASSERT_TRUE(left.has_value());
    EXPECT_EQ(*left, 2);
}

TEST_F(FolderTest, GoesOnAfterTheDatabaseWasAway) {
    core::Account account;
    account.id = Id<core::Account>::time_ordered(env_);
    ASSERT_TRUE(run(commit_captures(store_, account, env_, 2)).has_value());
    Folder folder(sim_.loop(), env_, store_);
    store_.take_away(seconds{10});
    folder.start();
    sim_.run_for(seconds{20});
    auto folded = run(store_.fold_balances(100, net::Deadline::after(seconds{1})));
    ASSERT_TRUE(folded.has_value());
    EXPECT_EQ(*folded, 0);
    EXPECT_TRUE(run(folder.stop(net::Deadline::after(seconds{1}))).has_value());
}

} // namespace
} // namespace holdfast::processor
