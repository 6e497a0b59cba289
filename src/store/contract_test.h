#pragma once

// The contract of Store: what every implementation promises, as tests. store_contract_test.cc has
// them; a binary that compiles it instantiates StoreContract with its own harness (the model in
// model_contract_test.cc, PostgreSQL in tests/store/).

#include "net/block_on.h"
#include "store/store.h"
#include "store/test_samples.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>

namespace holdfast::store {

template <class T> core::RowRef ref(const T& row, core::Access access) {
    return {core::kind_of<T>, {row.account, row.id.uuid()}, access};
}
template <class T> core::Needs need(const T& row, core::Access access) {
    return {.rows = {ref(row, access)}, .replay = {}};
}

/// An empty store and the loop that runs it.
class StoreHarness {
  public:
    virtual ~StoreHarness() = default;
    virtual Store& store() = 0;
    virtual net::Loop& loop() = 0;
};

using MakeHarness = std::function<std::unique_ptr<StoreHarness>()>;

class StoreContract : public testing::TestWithParam<MakeHarness> {
  protected:
    StoreContract() : harness_(GetParam()()), lane_(get(store().open_lane(soon()))) {}

    Store& store() { return harness_->store(); }
    net::Loop& loop() { return harness_->loop(); }

    /// Runs a task to its end; its error fails the test.
    template <class T> T get(net::Task<T> task) {
        Result<T> result = net::block_on(loop(), std::move(task));
        if (!result) {
            ADD_FAILURE() << to_string(result.error());
            if constexpr (std::is_default_constructible_v<T>)
                return T();
            else
                std::abort();
        }
        return std::move(*result);
    }
    void get(net::Task<void> task) {
        const Result<void> result = net::block_on(loop(), std::move(task));
        if (!result) ADD_FAILURE() << to_string(result.error());
    }
    template <class T> Error error_of(net::Task<T> task) {
        Result<T> result = net::block_on(loop(), std::move(task));
        if (!result) return std::move(result).error();
        ADD_FAILURE() << "succeeded";
        return {};
    }

    static Deadline soon() { return Deadline::after(std::chrono::seconds{20}); }

    Batch begin(Lane& lane, std::vector<core::Needs> needs, LockMode mode = LockMode::Skip) {
        return get(lane.begin(std::move(needs), mode, soon()));
    }
    /// Commits what `fill` puts into a batch.
    void write(std::vector<core::Needs> needs, const std::function<void(core::UnitOfWork&)>& fill) {
        Batch batch = begin(*lane_, std::move(needs));
        ASSERT_TRUE(batch.busy.empty());
        fill(batch.work);
        get(lane_->commit(std::move(batch.work), 1, soon()));
    }
    void insert(const core::PaymentIntent& payment) {
        write({need(payment, core::Access::Claim)},
              [&](core::UnitOfWork& work) { work.payment_intents.insert(payment); });
    }

    std::unique_ptr<StoreHarness> harness_;
    const Id<core::Account> account_ = samples::next_id<core::Account>();
    std::unique_ptr<Lane> lane_;
};

} // namespace holdfast::store
