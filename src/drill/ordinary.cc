#include "drill/ordinary.h"

#include "base/files.h"
#include "base/form.h"
#include "base/json_writer.h"
#include "drill/sql.h"
#include "drill/witness_reading.h"

#include <fmt/format.h>

namespace holdfast::drill {

using net::Deadline;
using net::HttpRequest;
using net::HttpResponse;
using net::Task;

namespace {

constexpr std::string_view path = "/v1/payment_intents";
constexpr std::string_view confirm_suffix = "/confirm";
constexpr std::string_view charges = "/v1/charges", charge_of = "/v1/charges/ch_";
constexpr std::string_view test_method = "pm_card_"; ///< pm_card_visa is the card test_visa
constexpr Duration for_ever = std::chrono::hours{1}; ///< longer than any drill
constexpr Duration set_up_patience = std::chrono::seconds{10};

Deadline no_deadline() { return Deadline::after(for_ever); }

HttpResponse answer(int status, std::string_view id, std::string_view text) {
    JsonWriter w;
    w.begin_object();
    w.field("id", id);
    w.field(status == 200 ? "status" : "error", text);
    w.end_object();
    HttpResponse response;
    response.status = status;
    response.headers.add("Content-Type", "application/json");
    response.body = std::move(w).take();
    return response;
}

HttpResponse failed(const Error& error) { return answer(500, "", error.code); }

db::FixedLimits fixed_pool(std::size_t size) {
    db::FixedLimits limits;
    limits.connections = size;
    limits.waiting = Load::under_way_max;
    return limits;
}

struct Payment {
    std::string status, card, purchase;
    std::int64_t amount_minor = 0;
};

Result<Payment> payment_of(const db::QueryResult& rows) {
    if (rows.empty()) return fail(ErrorClass::NotFound, "resource_missing", "no such payment");
    Payment payment;
    TRY_VOID(
        rows.front().read(payment.status, payment.card, payment.purchase, payment.amount_minor));
    return payment;
}

} // namespace

Ordinary::Ordinary(Stage& stage, std::size_t pool_size, db::ConnectOptions options,
                   std::unique_ptr<gateway::SignedHttpConnector> acquirer)
    : env_(stage.env),
      limits_(fixed_pool(pool_size)),
      pool_(stage.loop, registry_, {.name = "ordinary"}, limits_,
            db::connector(stage.loop, stage.offload, std::move(options))),
      acquirer_(std::move(acquirer)) {}

Task<std::unique_ptr<Ordinary>> Ordinary::create(Stage& stage, std::size_t pool_size) {
    const Ready& ready = stage.platform.ready();
    CO_TRY(auto session, co_await connect_as_outsider(stage, ready.database_url));
    for (const char* statement : sql::ordinary_tables)
        CO_TRY_VOID(co_await ask(*session, statement, set_up_patience));
    CO_TRY(auto options, db::ConnectOptions::parse(SecretString(ready.database_url)));
    options.role = "ordinary";
    options.timeouts = {};
    options.idle_in_transaction_timeout = {};
    CO_TRY(auto secret, read_secret_file(stage.platform.data() + "/secrets/acquirer_secret"));
    CO_TRY(auto acquirer, gateway::SignedHttpConnector::create(
                              stage.loop, stage.env,
                              {.base_url = ready.acquirer_url, .secret = std::move(secret)}));
    auto self = std::unique_ptr<Ordinary>(
        new Ordinary(stage, pool_size, std::move(options), std::move(acquirer)));
    CO_TRY(self->server_, net::HttpServer::create(stage.loop, {.request_timeout = for_ever},
                                                  [server = self.get()](HttpRequest request) {
                                                      return server->handle(std::move(request));
                                                  }));
    self->server_->start();
    co_return self;
}

std::string Ordinary::api_base() const {
    return fmt::format("http://127.0.0.1:{}", server_->port());
}

Task<void> Ordinary::close(Deadline deadline) {
    auto drained = co_await server_->drain(deadline);
    CO_TRY_VOID(co_await pool_.close(deadline));
    co_return drained;
}

Task<HttpResponse> Ordinary::handle(HttpRequest request) {
    std::string_view rest = request.path;
    if (rest == charges) co_return co_await list();
    if (rest.starts_with(charge_of))
        co_return co_await retrieve(std::string(rest.substr(charge_of.size())));
    if (!rest.starts_with(path)) co_return answer(404, "", "path_unknown");
    rest.remove_prefix(path.size());
    if (rest.empty() && request.method == "POST")
        co_return co_await create_payment(std::move(request.body));
    if (rest.empty()) co_return co_await list();
    rest.remove_prefix(1);
    if (!rest.ends_with(confirm_suffix)) co_return co_await retrieve(std::string(rest));
    rest.remove_suffix(confirm_suffix.size());
    co_return co_await confirm(std::string(rest));
}

Task<HttpResponse> Ordinary::create_payment(std::string form) {
    CO_TRY(const FormNode fields, parse_form(form));
    const std::string* amount = fields.find_text("amount");
    const std::string* method = fields.find_text("payment_method");
    const FormNode* metadata = fields.find("metadata");
    const std::string* purchase = metadata ? metadata->find_text("purchase_id") : nullptr;
    if (!amount || !method || !purchase || !method->starts_with(test_method))
        co_return answer(400, "", "parameter_missing");
    const std::string id = Id<core::PaymentIntent>::time_ordered(env_).str();
    const std::string card = "test_" + method->substr(test_method.size());
    auto session = co_await pool_.acquire(db::Priority::Payment, "ordinary", no_deadline());
    if (!session) co_return failed(session.error());
    db::Pipeline insert;
    insert.add(sql::ordinary_create, id, *purchase, card, *amount);
    auto done = co_await (*session)->run(insert, no_deadline());
    if (!done) co_return failed(done.error());
    co_return answer(200, id, "requires_confirmation");
}

/// All in one transaction, the acquirer too: the row stays locked meanwhile.
Task<HttpResponse> Ordinary::confirm(std::string id) {
    auto session = co_await pool_.acquire(db::Priority::Payment, "ordinary", no_deadline());
    if (!session) co_return failed(session.error());
    db::Pipeline lock;
    lock.begin();
    lock.add(sql::ordinary_lock, id);
    auto locked = co_await (*session)->run(lock, no_deadline());
    if (!locked) co_return failed(locked.error());
    auto payment = payment_of(locked->back());
    if (!payment) co_return failed(payment.error());
    if (payment->status == "succeeded") co_return answer(200, id, "succeeded");

    core::Operation operation;
    operation.id = Id<core::Operation>::time_ordered(env_);
    operation.account = Id<core::Account>::time_ordered(env_);
    operation.kind = core::OperationKind::Sale;
    operation.amount = {payment->amount_minor, *core::Currency::parse("usd")};
    operation.vault_token = payment->card;
    operation.valid_until = env_.wall() + for_ever;
    operation.metadata = {{"purchase_id", payment->purchase}};
    auto sale = co_await acquirer_->execute(std::move(operation), no_deadline());
    if (!sale) co_return failed(sale.error());
    const bool paid = sale->finding == gateway::Finding::Approved;

    db::Pipeline finish;
    finish.add(sql::ordinary_finish, id,
               std::string(paid ? "succeeded" : "requires_payment_method"));
    if (paid) finish.add(sql::ordinary_credit, payment->amount_minor);
    finish.commit();
    auto done = co_await (*session)->run(finish, no_deadline());
    if (!done) co_return failed(done.error());
    co_return paid ? answer(200, id, "succeeded") : answer(402, id, "card_declined");
}

Task<HttpResponse> Ordinary::retrieve(std::string id) {
    auto session = co_await pool_.acquire(db::Priority::Payment, "ordinary", no_deadline());
    if (!session) co_return failed(session.error());
    db::Pipeline read{db::Effect::Read};
    read.add(sql::ordinary_read, id);
    auto found = co_await (*session)->run(read, no_deadline());
    if (!found) co_return failed(found.error());
    auto payment = payment_of(found->front());
    if (!payment) co_return answer(404, id, "resource_missing");
    co_return answer(200, id, payment->status);
}

/// The charge of a payment has its id.
Task<HttpResponse> Ordinary::list() {
    auto session = co_await pool_.acquire(db::Priority::Payment, "ordinary", no_deadline());
    if (!session) co_return failed(session.error());
    db::Pipeline read{db::Effect::Read};
    read.add(sql::ordinary_list);
    auto found = co_await (*session)->run(read, no_deadline());
    if (!found) co_return failed(found.error());
    std::string charges_of_them;
    for (db::Row row : found->front()) {
        CO_TRY(const auto id, row.get<std::string>(0));
        charges_of_them += fmt::format("\"ch_{}\" ", id);
    }
    co_return answer(200, "", charges_of_them);
}

Task<LedgerWitness> read_ordinary_ledger(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    co_return co_await read_ledger_on(*session, sql::ordinary_purchases);
}

Task<LedgerCheck> check_ordinary_ledger(Stage& stage) {
    CO_TRY(auto session, co_await connect_as_outsider(stage, stage.platform.ready().database_url));
    CO_TRY(auto rows, co_await ask(*session, sql::ordinary_balanced, set_up_patience));
    CO_TRY(const bool balanced, rows.front().get<bool>(0));
    co_return LedgerCheck{.balanced = balanced, .agrees = true};
}

} // namespace holdfast::drill
