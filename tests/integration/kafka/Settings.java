// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

/** Prints the names of the settings that a node of Kafka reads. */
public final class Settings {
  private Settings() {}

  public static void main(String[] arguments) {
    kafka.server.KafkaConfig.configDef().names().forEach(System.out::println);
  }
}
