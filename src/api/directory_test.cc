#include "api/directory.h"

#include "net/sim_loop.h"
#include "net/timer.h"
#include "store/model_store.h"

#include <gtest/gtest.h>

namespace holdfast::api {
namespace {

using namespace std::chrono_literals;

/// While it hangs, a query takes all the time that it is given, as on a locked table.
class HangingStore final : public store::ModelStore {
  public:
    bool hangs = false;

    net::Task<std::optional<store::ApiKey>> find_key(std::string hash,
                                                     net::Deadline deadline) override {
        if (!hangs) co_return co_await ModelStore::find_key(std::move(hash), deadline);
        CO_TRY_VOID(co_await net::sleep_until(deadline.when()));
        co_return fail(ErrorClass::Unavailable, "database_unavailable", "It hangs.");
    }
};

class DirectoryTest : public testing::Test {
  protected:
    DirectoryTest() {
        account_.id = account_.public_id = Id<core::Account>::time_ordered(env_);
        store::ApiKey key{.hash = hash_of_key(key_), .account = account_.id};
        EXPECT_TRUE(run(store_.create_account(account_, Deadline::after(1s))));
        EXPECT_TRUE(run(store_.insert_key(std::move(key), Deadline::after(1s))));
    }
    template <class T> Result<T> run(Task<T> task) { return sim_.run(std::move(task), 10min); }
    /// "ok", or the code of the Error; and how long it took.
    std::string ask(const SecretString& key, Duration patience = 30s) {
        const MonoTime asked = env_.now();
        auto found =
            run(directory_.authenticate(hash_of_key(key), env_.wall(), Deadline::after(patience)));
        took_ = env_.now() - asked;
        return found ? "ok" : found.error().code;
    }

    SimEnv env_{4};
    bool installed_ = (env_.install(), true);
    net::SimLoop sim_{env_, 4};
    HangingStore store_;
    core::Account account_;
    SecretString key_{"sk_test_known"};
    Directory directory_{store_};
    Duration took_{};
};

TEST_F(DirectoryTest, AnOutageOfTheDatabaseTakesNoRequestsTimeOfAKnownKey) {
    EXPECT_EQ(ask(key_), "ok");
    sim_.run_for(Directory::trusted_for);
    store_.hangs = true;
    EXPECT_EQ(ask(key_), "ok");
    EXPECT_GT(took_, Duration{0});
    EXPECT_LE(took_, Directory::refresh_patience);
    int waited = 0;
    for (int i = 0; i < 100; ++i) {
        EXPECT_EQ(ask(key_), "ok");
        if (took_ > Duration{0}) ++waited;
        sim_.run_for(10ms);
    }
    EXPECT_LE(waited, 2) << "one a second finds out";
    store_.hangs = false;
    sim_.run_for(2s);
    EXPECT_EQ(ask(key_), "ok") << "and it recovers by itself";
}

TEST_F(DirectoryTest, AKeyThatWasLoadedNeedsNoDatabase) {
    EXPECT_TRUE(run(directory_.load(Deadline::after(1s))));
    EXPECT_TRUE(run(directory_.load_keys(Deadline::after(1s))));
    store_.hangs = true;
    EXPECT_EQ(ask(key_), "ok");
    EXPECT_EQ(took_, Duration{0});
    Directory after{store_}; // a process that starts now
    after.restore(directory_.contents());
    EXPECT_TRUE(run(after.authenticate(hash_of_key(key_), env_.wall(), Deadline::after(30s))));
}

TEST_F(DirectoryTest, AnUnknownKeyDoesNotWaitForEver) {
    store_.hangs = true;
    EXPECT_EQ(ask(key_, 30s), "database_unavailable");
    EXPECT_EQ(took_, Directory::unknown_patience);
}

TEST_F(DirectoryTest, ARevokedKeyIsNoticedSoon) {
    EXPECT_EQ(ask(key_), "ok");
    auto expired = run(store_.expire_key(hash_of_key(key_), env_.wall(), Deadline::after(1s)));
    ASSERT_TRUE(expired && *expired);
    EXPECT_EQ(ask(key_), "ok") << "as promised, for a while";
    sim_.run_for(Directory::trusted_for);
    EXPECT_EQ(ask(key_), "api_key_expired");
}

TEST_F(DirectoryTest, AKeyThatNobodyKnowsIsToldSo) {
    const SecretString other{"sk_test_other"};
    EXPECT_EQ(ask(other), "api_key_invalid");
    EXPECT_EQ(directory_.behind(hash_of_key(other)), nullptr);
    EXPECT_EQ(ask(key_), "ok");
    EXPECT_NE(directory_.behind(hash_of_key(key_)), nullptr);
    store_.hangs = true;
    const SecretString third{"sk_test_third"};
    EXPECT_NE(ask(third, 2s), "api_key_invalid") << "nobody could tell";
}

} // namespace
} // namespace holdfast::api
