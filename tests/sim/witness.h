#pragma once

// Witness: stands between the instances and the acquirer and looks at what is sent.
//
// The rule that all of stand-in rests on: nothing moves money at the acquirer before the database
// has decided it, durably. A hold may be asked for earlier; it goes away again.

#include "gateway/connector.h"
#include "store/model_store.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::sim {

class Witness final : public gateway::Connector {
  public:
    using Account = Id<core::Account>;
    using Reference = Id<core::Operation>;
    using Deadline = net::Deadline;
    template <class T> using Task = net::Task<T>;

    Witness(const store::ModelStore& store, gateway::Connector& acquirer)
        : store_(store), acquirer_(acquirer) {}

    Task<gateway::AcquirerAnswer> execute(core::Operation operation, Deadline deadline) override {
        const bool moves_money = operation.kind != core::OperationKind::Authorize;
        if (moves_money && !store_.is_durable(operation))
            findings_.push_back(fmt::format("operation {} was sent before the database had it",
                                            operation.id.str()));
        const Reference reference = operation.id;
        OnItsWay on_its_way(may_know_, reference);
        auto answer = co_await acquirer_.execute(std::move(operation), deadline);
        const bool unsent = !answer && answer.error().kind == ErrorClass::Unavailable;
        if (unsent) on_its_way.came_back();
        co_return answer;
    }
    Task<gateway::AcquirerAnswer> inquire(Reference reference, Deadline deadline) override {
        return acquirer_.inquire(reference, deadline);
    }
    Task<gateway::AcquirerAnswer> reverse(Reference reference, Deadline deadline) override {
        return acquirer_.reverse(reference, deadline);
    }
    Task<gateway::Vaulted> tokenize(Account account, gateway::CardData card,
                                    Deadline deadline) override {
        return acquirer_.tokenize(account, std::move(card), deadline);
    }
    Task<gateway::Vaulted> look_up(std::string vault_token, Deadline deadline) override {
        return acquirer_.look_up(std::move(vault_token), deadline);
    }
    Task<std::vector<gateway::BookLine>> list_since(std::string position, int limit,
                                                    Deadline deadline) override {
        return acquirer_.list_since(std::move(position), limit, deadline);
    }

    const std::vector<std::string>& findings() const { return findings_; }
    /// Has a call under this reference left, which did not certainly come back undelivered?
    bool may_know(Reference reference) const { return may_know_.contains(reference); }

  private:
    /// A caller that is killed does not hear what became of its call.
    class OnItsWay {
      public:
        OnItsWay(std::set<Reference>& known, Reference reference)
            : known_(known), reference_(reference) {}
        ~OnItsWay() {
            if (!came_back_) known_.insert(reference_);
        }
        OnItsWay(const OnItsWay&) = delete;
        OnItsWay& operator=(const OnItsWay&) = delete;
        void came_back() { came_back_ = true; }

      private:
        std::set<Reference>& known_;
        Reference reference_;
        bool came_back_ = false;
    };

    const store::ModelStore& store_;
    gateway::Connector& acquirer_;
    std::vector<std::string> findings_;
    std::set<Reference> may_know_;
};

} // namespace holdfast::sim
