#include "app/node.h"

#include "app/failover.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include <unistd.h>

namespace holdfast::app {

Result<void> run_node(const NodeOptions& options) {
    static RealEnv env;
    if (options.node != "a" && options.node != "b")
        return fail(ErrorClass::Invalid, "node_invalid", "--node is a or b");
    const db::Node node = options.node == "a" ? db::Node::A : db::Node::B;
    TRY(PairState pair, load_pair_state(options.data + "/cluster.json"));
    // The programs that copy a node are of our family: killed with us, before anybody starts again.
    TRY(auto cluster,
        db::EmbeddedCluster::open(
            env, {.data_directory = options.data,
                  .family = fmt::format("{}//postgres-{}", options.data, options.node)}));
    const auto say = [&options](std::string_view text) {
        fmt::print(stderr, "holdfast node {}: {}\n", options.node, text);
    };
    if (node != pair.primary) TRY_VOID(cluster.follow(node, say));

    // A server that was killed leaves its pid file; who starts us has made sure that it is gone.
    ::unlink((cluster.directory(node) + "/postmaster.pid").c_str());
    std::vector<std::string> words = cluster.command_line(node);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    ::execv(arguments.front(), arguments.data());
    return fail(ErrorClass::Io, "exec_failed",
                fmt::format("{}: {}", words.front(), std::strerror(errno)));
}

} // namespace holdfast::app
