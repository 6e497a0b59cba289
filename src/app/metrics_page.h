#pragma once

// MetricsPage: the metrics of this process, and of its peers, as one Prometheus page.
//
// Several processes make up one Holdfast on a machine; each line gets a label process="pay-1" so
// that one scrape shows all of them. A peer that does not answer within a second shows as
// holdfast_process_up{process="pay-1"} 0 and costs the page nothing else.
//
// Source of the format: prometheus.io/docs/instrumenting/exposition_formats (text, 0.0.4).

#include "app/peer_address.h"
#include "base/metrics.h"
#include "net/http_client.h"
#include "net/http_message.h"
#include "net/task.h"

#include <map>
#include <string>
#include <vector>

namespace holdfast::app {

/// Merges pages of several processes: families stay together, each sample gets its process label.
std::string merge_metrics(const std::map<std::string, std::string>& page_by_process);

class MetricsPage {
  public:
    MetricsPage(net::Loop& loop, std::string name, const Registry& registry,
                std::vector<PeerAddress> peers);

    net::HttpResponse own() const;
    net::Task<net::HttpResponse> render(net::Deadline deadline);

  private:
    std::string name_;
    const Registry& registry_;
    std::vector<PeerAddress> peers_;
    net::HttpClient client_;
};

} // namespace holdfast::app
