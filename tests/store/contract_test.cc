// PgStore under the contract of Store; the tests are in src/store/store_contract_test.cc.

#include "store/contract_test.h"
#include "tests/store/store_database.h"

namespace holdfast::store {
namespace {

class PgHarness final : public StoreHarness {
  public:
    Store& store() override { return database_.store(); }
    net::Loop& loop() override { return database_.loop(); }

  private:
    StoreDatabase database_;
};

INSTANTIATE_TEST_SUITE_P(Postgres, StoreContract,
                         testing::Values([] { return std::make_unique<PgHarness>(); }));

} // namespace
} // namespace holdfast::store
