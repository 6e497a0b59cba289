#include "api/directory_copy.h"

#include "base/journal_memory.h"

#include <gtest/gtest.h>

namespace holdfast::api {
namespace {

class DirectoryCopyTest : public testing::Test {
  protected:
    DirectoryCopyTest() { env_.install(); }
    std::unique_ptr<DirectoryCopy> open() {
        auto journal = Journal::open(disk_.mount(), SecretString{"secret"}, DirectoryCopy::limits);
        EXPECT_TRUE(journal.has_value());
        auto copy = DirectoryCopy::create(std::move(*journal));
        EXPECT_TRUE(copy.has_value()) << to_string(copy.error());
        return std::move(*copy);
    }
    DirectoryContents contents(int keys) {
        core::Account account;
        account.id = account.public_id = Id<core::Account>::time_ordered(env_);
        account.name = "Shop";
        account.fees = {150, 25};
        account.floor_limits = {{*core::Currency::parse("jpy"), 10, 20, 30}};
        DirectoryContents all{.accounts = {account}, .keys = {}};
        for (int i = 0; i < keys; ++i)
            all.keys.push_back({.hash = std::string(32, static_cast<char>('a' + i % 26)),
                                .account = account.id,
                                .publishable = i % 2 == 1,
                                .hint = "sk_...x",
                                .created = env_.wall(),
                                .expires = env_.wall()});
        return all;
    }

    SimEnv env_{5};
    MemoryDisk disk_;
};

TEST_F(DirectoryCopyTest, WhatWasWrittenIsFound) {
    EXPECT_FALSE(open()->found());
    const DirectoryContents wrote = contents(2);
    ASSERT_TRUE(open()->write(wrote));
    const auto copy = open();
    ASSERT_TRUE(copy->found());
    ASSERT_EQ(copy->found()->accounts.size(), 1u);
    const core::Account& account = copy->found()->accounts[0];
    EXPECT_EQ(account.id, wrote.accounts[0].id);
    EXPECT_EQ(account.name, "Shop");
    EXPECT_EQ(account.fees, wrote.accounts[0].fees);
    EXPECT_EQ(account.floor_limits, wrote.accounts[0].floor_limits);
    ASSERT_EQ(copy->found()->keys.size(), 2u);
    EXPECT_EQ(copy->found()->keys[0].account, account.id);
    EXPECT_EQ(copy->found()->keys[0].expires, wrote.keys[0].expires);
}

TEST_F(DirectoryCopyTest, TheLastThatIsWholeCounts) {
    ASSERT_TRUE(open()->write(contents(1)));
    {
        const auto copy = open();
        disk_.fail(MemoryDisk::Operation::Write, 3); // in the middle
        EXPECT_FALSE(copy->write(contents(9)));
    }
    EXPECT_EQ(open()->found()->keys.size(), 1u);
    ASSERT_TRUE(open()->write(contents(4)));
    EXPECT_EQ(open()->found()->keys.size(), 4u) << "although what was cut off is before it";
}

TEST_F(DirectoryCopyTest, DoesNotGrowForEver) {
    const auto copy = open();
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(copy->write(contents(10'000))) << i;
    std::size_t bytes = 0;
    for (const auto& [_, content] : disk_.contents()) bytes += content.size();
    EXPECT_LT(bytes, std::size_t{8} << 20);
    const DirectoryContents same = contents(1);
    ASSERT_TRUE(copy->write(same));
    const auto once = disk_.contents();
    ASSERT_TRUE(copy->write(same));
    EXPECT_EQ(disk_.contents(), once) << "what has not changed is not written";
}

} // namespace
} // namespace holdfast::api
