#include "api/rows.h"

#include "net/sim_loop.h"
#include "net/timer.h"
#include "store/model_store.h"

#include <gtest/gtest.h>

namespace holdfast::api {
namespace {

using namespace std::chrono_literals;

class HangingStore final : public store::ModelStore {
  public:
    net::Task<std::optional<core::PaymentMethod>> find(Id<core::Account>, Id<core::PaymentMethod>,
                                                       net::Deadline deadline) override {
        if (hangs) {
            CO_TRY_VOID(co_await net::sleep_until(deadline.when()));
            co_return fail(ErrorClass::Deadline, "database_timeout", "It hangs.");
        }
        if (breaks) co_return fail(ErrorClass::Bug, "row_corrupt", "It is broken.");
        if (lacks) co_return std::nullopt;
        co_return stored;
    }

    bool hangs = false;
    bool breaks = false;
    bool lacks = false;
    core::PaymentMethod stored;
};

/// What an instance knows.
struct Known {
    processor::Here<core::PaymentMethod> find_here(Id<core::Account>,
                                                   Id<core::PaymentMethod>) const {
        return method;
    }
    bool database_away() const { return away; }
    processor::Here<core::PaymentMethod> method;
    bool away = false;
};

class RowsTest : public testing::Test {
  protected:
    RowsTest() {
        store_.stored.vault_token = "stored";
        core::PaymentMethod seen;
        seen.vault_token = "seen here";
        here_.method = processor::KnownHere<core::PaymentMethod>{.row = seen, .current = false};
    }
    /// The name on it, or the code of the Error.
    std::string ask() {
        const MonoTime asked = env_.now();
        auto row = find_row(store_, here_, Id<core::Account>{}, Id<core::PaymentMethod>{},
                            net::Deadline::after(30s));
        auto found = sim_.run(std::move(row), 10min);
        took_ = env_.now() - asked;
        if (!found) return found.error().code;
        return *found ? (*found)->vault_token : "none";
    }

    SimEnv env_{4};
    bool installed_ = (env_.install(), true);
    net::SimLoop sim_{env_, 4};
    HangingStore store_;
    Known here_;
    Duration took_{};
};

TEST_F(RowsTest, TheDatabaseKnowsBest) { EXPECT_EQ(ask(), "stored"); }

TEST_F(RowsTest, ADatabaseThatHangsIsNotWaitedForWhereTheRowIsKnown) {
    store_.hangs = true;
    EXPECT_EQ(ask(), "seen here");
    EXPECT_LE(took_, row_patience);
}

TEST_F(RowsTest, WhatTheDatabaseHasNotGotYetIsThereWhereItIsKnown) {
    store_.lacks = true;
    EXPECT_EQ(ask(), "seen here");
    here_.method.reset();
    EXPECT_EQ(ask(), "none");
}

TEST_F(RowsTest, AndIsWhereItIsNot) {
    store_.hangs = true;
    here_.method.reset();
    EXPECT_EQ(ask(), "database_timeout");
    EXPECT_GE(took_, 30s);
}

TEST_F(RowsTest, WhatStandInHasDecidedNeedsNoDatabase) {
    here_.method->current = true;
    EXPECT_EQ(ask(), "seen here");
}

TEST_F(RowsTest, AStandbyDoesNotKnowWhatAnotherProcessHolds) {
    here_.away = true;
    EXPECT_EQ(ask(), "seen here");
    here_.method.reset();
    EXPECT_EQ(ask(), "stored") << "it answers for the rest";
}

TEST_F(RowsTest, ABrokenRowIsNotCoveredUp) {
    store_.breaks = true;
    EXPECT_EQ(ask(), "row_corrupt");
}

} // namespace
} // namespace holdfast::api
