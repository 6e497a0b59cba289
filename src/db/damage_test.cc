#include "db/damage.h"

#include "net/sim_loop.h"

#include <gtest/gtest.h>

namespace holdfast::db {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::string_view broken_page = "invalid page in block 3 of relation base/16384/16500";

TEST(DamagedPlace, IsReadFromWhatServersSay) {
    EXPECT_EQ(damaged_place(broken_page),
              (DamagedPlace{"base/16384/16500", "", DamagedPlace::File{0, 16500}, 3}));
    EXPECT_EQ(damaged_place("could not read block 131073 in file \"base/16384/16500.1\": read only "
                            "0 of 8192 bytes"),
              (DamagedPlace{"base/16384/16500.1", "", DamagedPlace::File{0, 16500}, 131073}));
    EXPECT_EQ(damaged_place("invalid page in block 0 of relation "
                            "pg_tblspc/16999/PG_15_202209061/16384/16501_fsm")
                  .file,
              (DamagedPlace::File{16999, 16501}));
    EXPECT_EQ(damaged_place("invalid page in block 1 of relation global/1262").file,
              (DamagedPlace::File{1664, 1262}));
    EXPECT_EQ(damaged_place("index \"charges_pkey\" contains corrupted page at block 7"),
              (DamagedPlace{"", "charges_pkey", {}, 7}));
    EXPECT_EQ(damaged_place("missing chunk number 0 for toast value 5 in pg_toast_16400"),
              DamagedPlace{});
    EXPECT_FALSE(damaged_place("block of relation file \"").file.has_value());
}

class DamageWatchTest : public testing::Test {
  protected:
    static Task<std::unique_ptr<Connection>> refuse() {
        co_return fail(ErrorClass::Unavailable, "no_primary", "away");
    }
    Task<void> pass(Duration time) { co_return co_await net::sleep_for(time); }
    std::string metrics() { return registry_.render(); }
    bool shows(std::string_view line) { return metrics().find(line) != std::string::npos; }

    SimEnv env_{3};
    struct Installed {
        explicit Installed(Env& env) { env.install(); }
    } installed_{env_};
    net::SimLoop sim_{env_, 3};
    Registry registry_;
    int asked_ = 0;
    DamageWatch watch_{sim_.loop(), registry_, [this](Deadline) {
                           ++asked_;
                           return refuse();
                       }};
    const Error error_{.kind = ErrorClass::Io,
                       .code = "data_corrupted",
                       .message = std::string(broken_page),
                       .sqlstate = "XX001"};
};

TEST_F(DamageWatchTest, CountsEveryReportAndNamesAPlaceNowAndThen) {
    watch_.start();
    for (int i = 0; i < 30; ++i) {
        watch_.note(error_);
        ASSERT_TRUE(sim_.run(pass(seconds{1}), minutes{1}).has_value());
    }
    EXPECT_EQ(asked_, 1); // it was said once, without a name
    EXPECT_TRUE(shows("holdfast_db_damage_errors_total 30\n"));
    EXPECT_TRUE(shows("holdfast_db_damaged_places 1\n"));
    ASSERT_TRUE(sim_.run(pass(minutes{1}), minutes{2}).has_value());
    EXPECT_EQ(asked_, 2);
    ASSERT_TRUE(sim_.run(pass(minutes{2}), minutes{3}).has_value());
    EXPECT_EQ(asked_, 2); // nothing new
    // Repaired: it recovers by itself.
    ASSERT_TRUE(sim_.run(pass(DamageWatch::forget_after), minutes{20}).has_value());
    EXPECT_TRUE(shows("holdfast_db_damaged_places 0\n"));
    EXPECT_TRUE(sim_.run(watch_.stop(Deadline::after(seconds{1})), minutes{1}).has_value());
}

TEST_F(DamageWatchTest, RemembersABoundedNumberOfPlaces) {
    Error error = error_;
    for (std::size_t i = 0; i < DamageWatch::places_max + 5; ++i) {
        error.message = "invalid page in block " + std::to_string(i) + " of relation base/1/2";
        watch_.note(error);
    }
    EXPECT_TRUE(shows("holdfast_db_damaged_places 1000\n"));
    EXPECT_TRUE(shows("holdfast_db_damage_errors_total 1005\n"));
    EXPECT_TRUE(sim_.run(watch_.stop(Deadline::after(seconds{1})), minutes{1}).has_value());
}

} // namespace
} // namespace holdfast::db
