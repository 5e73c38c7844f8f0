// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.IOException;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/**
 * OpenSearch as one node on the loopback, until it is told to end.
 *
 * <p>java OneNode FOLDER; its files are below the folder, and the address of its API in node_1/logs/http.ports.
 */
public final class OneNode {
  private OneNode() {}

  public static void main(String[] arguments) throws InterruptedException {
    OpenSearchRunner runner = new OpenSearchRunner();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> close(runner)));
    // The runner's own choice of a port could be taken by another process before it is used.
    runner.onBuild((number, settings) -> settings
        .put("network.host", "127.0.0.1")
        .put("http.port", "0")
        .put("transport.port", "0")
        .put("discovery.type", "single-node")
        .put("node.portsfile", true)
        // A nearly full disk of the machine is no reason to refuse documents.
        .put("cluster.routing.allocation.disk.threshold_enabled", false));
    runner.build("-basePath", arguments[0], "-numOfNode", "1", "-disableESLogger");
    Thread.currentThread().join();
  }

  private static void close(OpenSearchRunner runner) {
    try {
      runner.close();
    } catch (IOException error) {
      System.err.println(error);
    }
  }
}
