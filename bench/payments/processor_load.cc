#include "load.h"

#include "app/database.h"
#include "base/files.h"
#include "base/log.h"
#include "gateway/cards.h"
#include "net/block_on.h"
#include "processor/processor.h"

#include <algorithm>
#include <memory>

namespace holdfast::bench {
namespace {

using net::Deadline;
using net::Task;

constexpr Duration patience = std::chrono::seconds{30};

/// Says yes before the request has left the process: what is measured is our own side.
class ApprovingConnector final : public gateway::Connector {
  public:
    Task<gateway::Vaulted> tokenize(Id<core::Account>, gateway::CardData, Deadline) override {
        co_return fail(ErrorClass::Invalid, "not_measured", "No cards are tokenized here.");
    }
    Task<gateway::Vaulted> look_up(std::string, Deadline) override {
        co_return fail(ErrorClass::NotFound, "vault_token_unknown", "There is no vault here.");
    }
    Task<gateway::AcquirerAnswer> execute(core::Operation, Deadline) override {
        co_return approval();
    }
    Task<gateway::AcquirerAnswer> inquire(Id<core::Operation>, Deadline) override {
        co_return approval();
    }
    Task<gateway::AcquirerAnswer> reverse(Id<core::Operation>, Deadline) override {
        co_return gateway::AcquirerAnswer{.finding = gateway::Finding::Reversed};
    }
    Task<std::vector<gateway::BookLine>> list_since(std::string, int, Deadline) override {
        co_return std::vector<gateway::BookLine>{};
    }

  private:
    static gateway::AcquirerAnswer approval() {
        return {.finding = gateway::Finding::Approved, .authorization_code = "A12345"};
    }
};

class Merchant {
  public:
    Merchant(Env& env, store::Store& store, const core::Identity& identity)
        : env_(env), store_(store), identity_(identity) {}

    Task<void> find_account();
    Task<void> open(net::Loop* loop, processor::Options options);
    Task<void> buy(Tally* tally);
    Task<void> close() { return processor_->drain(Deadline::after(patience)); }

  private:
    core::Command command(core::CommandBody body, bool keyed);
    core::Command purchase();

    Env& env_;
    store::Store& store_;
    const core::Identity& identity_;
    ApprovingConnector connector_;
    core::Account account_;
    Id<core::PaymentMethod> card_;
    std::unique_ptr<processor::Processor> processor_;
};

Task<void> Merchant::find_account() {
    CO_TRY(auto accounts, co_await store_.list_accounts(Deadline::after(patience)));
    auto test = std::ranges::find(accounts, false, &core::Account::livemode);
    if (test == accounts.end())
        co_return fail(ErrorClass::NotFound, "account_missing", "There is no test account.");
    account_ = std::move(*test);
    co_return Result<void>{};
}

core::Command Merchant::command(core::CommandBody body, bool keyed) {
    core::RequestContext request;
    request.request_id = Uuid::time_ordered(env_);
    if (keyed) {
        request.idempotency_key = request.request_id.base62();
        request.replay_key =
            identity_.replay_key(account_.id, "POST /v1/payment_intents", request.idempotency_key);
        request.fingerprint = 1;
    }
    return {account_.id, std::move(request), env_.wall(), std::move(body)};
}

core::Command Merchant::purchase() {
    core::Command made = command({}, true);
    core::CreatePaymentIntent body;
    body.payment_intent.id =
        identity_.created_by<core::PaymentIntent>(account_.id, made.request.replay_key);
    body.payment_intent.account = account_.id;
    body.payment_intent.amount = {1099, {}};
    body.payment_method = core::PaymentMethodChoice{.id = card_};
    body.confirm = true;
    made.body = std::move(body);
    return made;
}

Task<void> Merchant::open(net::Loop* loop, processor::Options options) {
    CO_TRY_VOID(co_await find_account());
    auto account = [this](Id<core::Account> id) { return id == account_.id ? &account_ : nullptr; };
    CO_TRY(processor_, co_await processor::Processor::create(*loop, env_, store_, connector_,
                                                             identity_, account, options));
    auto visa = gateway::built_in_card("pm_card_visa");
    CHECK(visa.has_value());
    core::CreatePaymentMethod create;
    create.payment_method.id = Id<core::PaymentMethod>::time_ordered(env_);
    create.payment_method.account = account_.id;
    create.payment_method.card = std::move(visa->card);
    create.payment_method.vault_token = std::move(visa->vault_token);
    card_ = create.payment_method.id;
    CO_TRY_VOID(
        co_await processor_->submit(command(std::move(create), false), Deadline::after(patience)));
    co_return Result<void>{};
}

Task<void> Merchant::buy(Tally* tally) {
    while (!tally->stopping) {
        auto outcome = co_await processor_->pay(purchase(), Deadline::after(patience));
        if (!outcome) {
            tally->fail_with(std::move(outcome).error());
        } else if (outcome->pending || outcome->answer.declined) {
            tally->fail_with({.kind = ErrorClass::Bug,
                              .code = "not_paid",
                              .message = "A payment that the acquirer approved was not taken."});
        } else if (tally->measuring) {
            ++tally->paid;
        }
    }
    co_return Result<void>{};
}

} // namespace

Result<std::string> run(const ProcessorLoad& load) {
    static RealEnv env;
    TRY_VOID(log::start({.level = log::Level::Warn}));
    TRY(SecretString id_secret, read_secret_file(load.id_secret_file));
    const core::Identity identity(id_secret);
    Offload offload({.name = "offload"});
    Registry registry;
    net::Loop loop{1};
    TRY(auto database, app::Database::create(loop, offload, registry, load.database_url,
                                             {.name = "bench_processor"}));
    Merchant merchant(env, database->store(), identity);
    processor::Options options;
    options.lanes = load.lanes;
    options.batch_commands_max = load.batch_commands_max;
    TRY_VOID(net::block_on(loop, merchant.open(&loop, options)));
    net::Gate gate(loop, "bench");
    Tally tally;
    for (int i = 0; i < load.in_flight; ++i) TRY_VOID(gate.spawn(merchant.buy(&tally)));
    TRY_VOID(net::block_on(loop, measure(&tally, load.window)));
    TRY_VOID(net::block_on(loop, gate.close(Deadline::after(patience))));
    TRY_VOID(net::block_on(loop, merchant.close()));
    TRY_VOID(net::block_on(loop, database->close(Deadline::after(patience))));
    log::stop();
    return report(std::move(tally), load.window);
}

} // namespace holdfast::bench
