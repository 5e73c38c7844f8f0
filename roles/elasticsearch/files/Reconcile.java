// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Brings the settings, templates, data streams, roles, users and snapshots of an Elasticsearch cluster to what is declared.
 *
 * <p>java Reconcile.java [--plan]; --plan prints what differs and changes nothing.
 *
 * <p>In the environment: URL, where Elasticsearch is; CA, PEM certificates to verify it by; DECLARED, the file with what
 * shall be; PASSWORDS, a folder with a file for each user, "elastic" for the one that does this; WAIT, seconds to wait for
 * Elasticsearch.
 *
 * <p>Elasticsearch's image has neither jq nor Python; it has a JDK, which runs a source file as it is.
 *
 * <p>What is declared is compared with what is there; what others add beside it stays, as defaults do. An object that is
 * marked as ours and no longer declared is removed. Passwords cannot be read, so each is tried.
 *
 * <p>At the end comes one line of JSON: how many objects were not as declared. The exit status is 1 if one still is not.
 */
public final class Reconcile {
  private static final String OWNER = "dataplatform.fleet";
  // As GET _data_stream calls it, beside "Index Lifecycle Management" and "Unmanaged".
  private static final String LIFECYCLE = "Data stream lifecycle";

  private final Api api;
  private final Path passwords;
  private final boolean plan;
  private int drift;
  private int failures;

  private Reconcile(Api api, Path passwords, boolean plan) {
    this.api = api;
    this.passwords = passwords;
    this.plan = plan;
  }

  public static void main(String[] arguments) throws Exception {
    boolean plan = arguments.length > 0 && arguments[0].equals("--plan");
    Path passwords = Path.of(environment("PASSWORDS"));
    Api api = new Api(environment("URL"), Path.of(environment("CA")), "elastic", password(passwords, "elastic"));
    Map<String, Object> declared = object(Json.parse(Files.readString(Path.of(environment("DECLARED")))));
    Reconcile reconcile = new Reconcile(api, passwords, plan);
    if (!api.ready(Long.parseLong(Objects.requireNonNullElse(System.getenv("WAIT"), "900")))) {
      System.exit(1);
    }
    reconcile.all(declared);
    String time = Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
    System.out.printf("{\"reconciler\": \"elasticsearch\", \"drift_objects\": %d, \"time\": \"%s\"}%n", reconcile.drift, time);
    System.exit(reconcile.failures > 0 && !plan ? 1 : 0);
  }

  private void all(Map<String, Object> declared) {
    // As they are before templates change: so a plan says the same as the run.
    Map<String, List<Object>> streams = new LinkedHashMap<>();
    section(declared, "data_streams").keySet().forEach(pattern ->
        attempt("data streams " + pattern, () -> streams.put(pattern, streams(pattern))));
    attempt("cluster settings", () -> settings(section(declared, "settings")));
    templates("component template", "/_component_template/", "component_template", section(declared, "component_templates"));
    templates("index template", "/_index_template/", "index_template", section(declared, "index_templates"));
    streams.forEach((pattern, found) -> found.forEach(stream ->
        dataStream(object(stream), object(section(declared, "data_streams").get(pattern)))));
    section(declared, "roles").forEach((name, wanted) -> attempt("role " + name, () -> role(name, object(wanted))));
    section(declared, "users").forEach((name, wanted) -> attempt("user " + name, () -> user(name, object(wanted))));
    for (Object name : list(declared.get("reserved_users"))) {
      attempt("user " + name, () -> reservedUser(name.toString()));
    }
    section(declared, "repositories").forEach((name, wanted) ->
        attempt("repository " + name, () -> repository(name, object(wanted))));
    section(declared, "snapshot_policies").forEach((name, wanted) ->
        attempt("snapshot policy " + name, () -> snapshotPolicy(name, object(wanted))));
    remove(declared);
  }

  // -- one method for each kind of object

  private void settings(Map<String, Object> wanted) throws IOException {
    Map<String, Object> live = section(api.read("/_cluster/settings?flat_settings=true"), "persistent");
    for (Map.Entry<String, Object> setting : new TreeMap<>(wanted).entrySet()) {
      Object found = live.get(setting.getKey());
      if (!same(setting.getValue(), found)) {
        Map<String, Object> body = Map.of("persistent", mapOf(setting.getKey(), setting.getValue()));
        String what = "setting " + setting.getKey() + ": " + Json.text(found) + " -> " + Json.text(setting.getValue());
        repair(found == null ? "+" : "~", what, () -> api.send("PUT", "/_cluster/settings", body));
      }
    }
  }

  private void templates(String kind, String path, String key, Map<String, Object> wanted) {
    wanted.forEach((name, body) -> attempt(kind + " " + name, () -> {
      Map<String, Object> answer = api.find(path + encoded(name) + "?flat_settings=true");
      List<Object> found = list(answer == null ? null : answer.get(key + "s"));
      Map<String, Object> live = found.isEmpty() ? null : object(object(found.get(0)).get(key));
      Map<String, Object> flat = flatSettings(object(body));
      compare(kind, name, flat, live, () -> api.send("PUT", path + encoded(name), object(body)));
    }));
  }

  private List<Object> streams(String pattern) throws IOException {
    Map<String, Object> answer = api.find("/_data_stream/" + pattern);
    return list(answer == null ? null : answer.get("data_streams"));
  }

  /** Templates count for what is made later; data streams that exist, and their backing indices, have all of it themselves. */
  private void dataStream(Map<String, Object> stream, Map<String, Object> wanted) {
    String name = stream.get("name").toString();
    String path = "/_data_stream/" + encoded(name);
    attempt("data stream " + name, () -> {
      Map<String, Object> live = section(stream, "lifecycle");
      Map<String, Object> whole = new LinkedHashMap<>(section(wanted, "lifecycle"));
      // Rounds that are no longer declared are taken away.
      if (!whole.containsKey("downsampling") && live.containsKey("downsampling")) {
        whole.put("downsampling", null);
      }
      compare("lifecycle", name, whole, live, () -> api.send("PUT", path + "/_lifecycle", section(wanted, "lifecycle")));
      compare("options", name, section(wanted, "options"), stream,
          () -> api.send("PUT", path + "/_options", section(wanted, "options")));
      Map<String, Object> settings = api.read("/" + encoded(name) + "/_settings?flat_settings=true");
      List<Object> indices = list(stream.get("indices"));
      for (Object index : indices) {
        boolean newest = index == indices.get(indices.size() - 1);
        backingIndex(object(index), section(wanted, newest ? "newest_index" : "every_index"), settings);
      }
      // Whether it becomes so is up to the templates: a higher one of somebody else's may be in the way.
      compare("next index of", name, mapOf("next_generation_managed_by", LIFECYCLE), stream, () -> {
        for (Object now : streams(encoded(name))) {
          Object manager = object(now).get("next_generation_managed_by");
          if (!LIFECYCLE.equals(manager)) {
            throw new IOException("its template " + object(now).get("template") + " leaves it to: " + manager);
          }
        }
      });
    });
  }

  private void backingIndex(Map<String, Object> index, Map<String, Object> settings, Map<String, Object> live) {
    String name = index.get("index_name").toString();
    Map<String, Object> wanted = new TreeMap<>(Map.of("managed_by", LIFECYCLE));
    flatten("", settings, wanted);
    Map<String, Object> found = new LinkedHashMap<>(section(section(live, name), "settings"));
    found.put("managed_by", index.get("managed_by"));
    compare("index", name, wanted, found, () -> api.send("PUT", "/" + encoded(name) + "/_settings", settings));
  }

  private void role(String name, Map<String, Object> declared) throws IOException {
    Map<String, Object> wanted = marked(declared, "metadata");
    Map<String, Object> live = named(api.find("/_security/role/" + encoded(name)), name);
    // Privileges are a whole: one that somebody added is a difference.
    if (live != null) {
      for (String part : List.of("cluster", "indices", "applications")) {
        wanted.putIfAbsent(part, List.of());
      }
    }
    compare("role", name, wanted, live, () -> api.send("PUT", "/_security/role/" + encoded(name), wanted));
  }

  private void user(String name, Map<String, Object> declared) throws IOException {
    Map<String, Object> wanted = marked(declared, "metadata");
    wanted.put("enabled", true);
    String password = password(passwords, name);
    Map<String, Object> live = named(api.find("/_security/user/" + encoded(name)), name);
    boolean known = live != null && api.authenticates(name, password);
    List<String> differences = live == null ? List.of() : differences("", wanted, live);
    if (live == null || !known || !differences.isEmpty()) {
      Map<String, Object> body = new LinkedHashMap<>(wanted);
      if (!known) {
        body.put("password", password);
      }
      List<String> what = new ArrayList<>(differences);
      if (live != null && !known) {
        what.add("password");
      }
      repair(live == null ? "+" : "~", "user " + name + tail(what),
          () -> api.send("PUT", "/_security/user/" + encoded(name), body));
    }
  }

  private void reservedUser(String name) throws IOException {
    String password = password(passwords, name);
    if (!api.authenticates(name, password)) {
      repair("~", "user " + name + ": password",
          () -> api.send("PUT", "/_security/user/" + encoded(name) + "/_password", mapOf("password", password)));
    }
  }

  private void repository(String name, Map<String, Object> wanted) throws IOException {
    Map<String, Object> live = named(api.find("/_snapshot/" + encoded(name)), name);
    compare("repository", name, wanted, live, () -> api.send("PUT", "/_snapshot/" + encoded(name), wanted));
  }

  private void snapshotPolicy(String name, Map<String, Object> wanted) throws IOException {
    Map<String, Object> answer = named(api.find("/_slm/policy/" + encoded(name)), name);
    Map<String, Object> live = answer == null ? null : section(answer, "policy");
    compare("snapshot policy", name, wanted, live, () -> api.send("PUT", "/_slm/policy/" + encoded(name), wanted));
  }

  /** What is marked as ours and not declared any more, in the order in which things depend on each other. */
  private void remove(Map<String, Object> declared) {
    attempt("snapshot policies", () -> {
      for (Map.Entry<String, Object> found : api.read("/_slm/policy").entrySet()) {
        Map<String, Object> metadata = section(section(section(object(found.getValue()), "policy"), "config"), "metadata");
        removeOne("snapshot policy", "/_slm/policy/", found.getKey(), metadata, section(declared, "snapshot_policies"));
      }
    });
    // A repository has no metadata: it is ours if it is as we register it. Its snapshots stay where they are.
    section(declared, "former_repositories").forEach((name, ours) -> attempt("repository " + name, () -> {
      Map<String, Object> live = named(api.find("/_snapshot/" + encoded(name)), name);
      if (live != null && differences("", object(ours), live).isEmpty()) {
        repair("-", "repository " + name, () -> api.send("DELETE", "/_snapshot/" + encoded(name), null));
      }
    }));
    for (String kind : List.of("user", "role")) {
      attempt(kind + "s", () -> {
        for (Map.Entry<String, Object> found : api.read("/_security/" + kind).entrySet()) {
          Map<String, Object> metadata = section(object(found.getValue()), "metadata");
          removeOne(kind, "/_security/" + kind + "/", found.getKey(), metadata, section(declared, kind + "s"));
        }
      });
    }
    for (String key : List.of("index_template", "component_template")) {
      String kind = key.replace('_', ' ');
      attempt(kind + "s", () -> {
        for (Object found : list(api.read("/_" + key).get(key + "s"))) {
          Map<String, Object> metadata = section(section(object(found), key), "_meta");
          removeOne(kind, "/_" + key + "/", object(found).get("name").toString(), metadata, section(declared, key + "s"));
        }
      });
    }
  }

  private void removeOne(
      String kind, String path, String name, Map<String, Object> metadata, Map<String, Object> declared) {
    if (OWNER.equals(metadata.get("managed_by")) && !declared.containsKey(name)) {
      repair("-", kind + " " + name, () -> api.send("DELETE", path + encoded(name), null));
    }
  }

  // -- comparing and repairing

  private interface Step {
    void run() throws IOException;
  }

  private void compare(String kind, String name, Map<String, Object> wanted, Map<String, Object> live, Step step) {
    if (live == null) {
      repair("+", kind + " " + name, step);
    } else {
      List<String> differences = differences("", wanted, live);
      if (!differences.isEmpty()) {
        repair("~", kind + " " + name + tail(differences), step);
      }
    }
  }

  /** Says what differs, then changes it, unless only a plan was asked for. */
  private void repair(String sign, String what, Step step) {
    drift++;
    System.out.println(sign + " " + what);
    if (!plan) {
      attempt(what.split(":")[0], step);
    }
  }

  private void attempt(String what, Step step) {
    try {
      step.run();
    } catch (IOException | RuntimeException error) {
      failures++;
      System.out.println("! " + what + " failed: " + error.getMessage());
    }
  }

  private static String tail(List<String> differences) {
    return differences.isEmpty() ? "" : ": " + String.join(", ", differences);
  }

  private static List<String> differences(String path, Map<String, Object> wanted, Map<String, Object> live) {
    List<String> found = new ArrayList<>();
    for (Map.Entry<String, Object> entry : new TreeMap<>(wanted).entrySet()) {
      String at = path.isEmpty() ? entry.getKey() : path + "." + entry.getKey();
      Object want = entry.getValue();
      Object have = live.get(entry.getKey());
      if (want instanceof Map && have instanceof Map) {
        found.addAll(differences(at, object(want), object(have)));
      } else if (!same(want, have)) {
        found.add(at + " " + Json.text(have) + " -> " + Json.text(want));
      }
    }
    return found;
  }

  /** Whether what is there is what is wanted: settings come back as text, and sets in any order. */
  private static boolean same(Object wanted, Object live) {
    if (wanted instanceof Map) {
      Map<String, Object> have = live instanceof Map ? object(live) : Map.of();
      return differences("", object(wanted), have).isEmpty() && (live != null || object(wanted).isEmpty());
    }
    if (wanted instanceof List) {
      List<Object> want = list(wanted);
      List<Object> have = live instanceof List ? list(live) : live == null ? List.of() : List.of(live);
      if (want.size() != have.size()) {
        return false;
      }
      if (want.stream().noneMatch(item -> item instanceof Map)) {
        return texts(want).equals(texts(have));
      }
      for (int index = 0; index < want.size(); index++) {
        if (!same(want.get(index), have.get(index))) {
          return false;
        }
      }
      return true;
    }
    return wanted == null ? live == null : live != null && wanted.toString().equals(live.toString());
  }

  private static TreeSet<String> texts(List<Object> items) {
    TreeSet<String> found = new TreeSet<>();
    items.forEach(item -> found.add(String.valueOf(item)));
    return found;
  }

  private static Map<String, Object> marked(Map<String, Object> declared, String key) {
    Map<String, Object> found = new LinkedHashMap<>(declared);
    Map<String, Object> metadata = new LinkedHashMap<>(section(declared, key));
    metadata.put("managed_by", OWNER);
    found.put(key, metadata);
    return found;
  }

  /** The body with its settings as they are asked for: one level, with their full names. */
  private static Map<String, Object> flatSettings(Map<String, Object> body) {
    Map<String, Object> found = new LinkedHashMap<>(body);
    Map<String, Object> template = new LinkedHashMap<>(section(body, "template"));
    if (template.containsKey("settings")) {
      Map<String, Object> flat = new TreeMap<>();
      flatten("", section(template, "settings"), flat);
      template.put("settings", flat);
      found.put("template", template);
    }
    return found;
  }

  private static void flatten(String path, Map<String, Object> settings, Map<String, Object> into) {
    settings.forEach((key, value) -> {
      if (value instanceof Map) {
        flatten(path + key + ".", object(value), into);
      } else {
        into.put(path + key, value);
      }
    });
  }

  // -- small helpers

  private static String environment(String name) {
    return Objects.requireNonNull(System.getenv(name), name + " is not set");
  }

  private static String password(Path folder, String user) throws IOException {
    return Files.readString(folder.resolve(user)).strip();
  }

  private static String encoded(String name) {
    return URLEncoder.encode(name, StandardCharsets.UTF_8).replace("+", "%20");
  }

  private static Map<String, Object> named(Map<String, Object> answer, String name) {
    return answer == null || !answer.containsKey(name) ? null : object(answer.get(name));
  }

  private static Map<String, Object> mapOf(String key, Object value) {
    Map<String, Object> found = new LinkedHashMap<>();
    found.put(key, value);
    return found;
  }

  private static Map<String, Object> section(Map<String, Object> from, String key) {
    return from.get(key) == null ? Map.of() : object(from.get(key));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> object(Object value) {
    return (Map<String, Object>) value;
  }

  @SuppressWarnings("unchecked")
  private static List<Object> list(Object value) {
    return value == null ? List.of() : (List<Object>) value;
  }

  /** Elasticsearch's API, with the password in a header only. */
  private static final class Api {
    private final String url;
    private final HttpClient client;
    private final String authorization;

    Api(String url, Path ca, String user, String password) throws Exception {
      this.url = url.replaceAll("/+$", "");
      this.client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).sslContext(trusting(ca)).build();
      this.authorization = basic(user, password);
    }

    private static SSLContext trusting(Path ca) throws Exception {
      KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
      store.load(null);
      try (InputStream text = new FileInputStream(ca.toFile())) {
        int number = 0;
        for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(text)) {
          store.setCertificateEntry("ca" + number++, certificate);
        }
      }
      TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(store);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(null, trust.getTrustManagers(), null);
      return context;
    }

    private static String basic(String user, String password) {
      return "Basic " + Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    boolean ready(long seconds) throws InterruptedException {
      Instant deadline = Instant.now().plusSeconds(seconds);
      while (true) {
        String problem;
        try {
          HttpResponse<String> answer =
              request("GET", "/_cluster/health?wait_for_status=yellow&timeout=10s", null, authorization);
          if (answer.statusCode() == 200) {
            return true;
          }
          problem = "it answers " + reason(answer);
        } catch (IOException error) {
          problem = String.valueOf(error.getMessage());
        }
        if (Instant.now().isAfter(deadline)) {
          System.out.println("! Elasticsearch is not ready at " + url + ": " + problem);
          return false;
        }
        Thread.sleep(2000);
      }
    }

    boolean authenticates(String user, String password) throws IOException {
      HttpResponse<String> answer = request("GET", "/_security/_authenticate", null, basic(user, password));
      if (answer.statusCode() != 200 && answer.statusCode() != 401) {
        throw new IOException(reason(answer));
      }
      return answer.statusCode() == 200;
    }

    /** What is at a path, or null. */
    Map<String, Object> find(String path) throws IOException {
      HttpResponse<String> answer = request("GET", path, null, authorization);
      return answer.statusCode() == 404 ? null : object(Json.parse(checked(answer).body()));
    }

    Map<String, Object> read(String path) throws IOException {
      return Objects.requireNonNullElse(find(path), Map.of());
    }

    void send(String method, String path, Map<String, Object> body) throws IOException {
      checked(request(method, path, body, authorization));
    }

    private HttpResponse<String> request(String method, String path, Map<String, Object> body, String authorization)
        throws IOException {
      HttpRequest.BodyPublisher publisher = body == null
          ? HttpRequest.BodyPublishers.noBody() : HttpRequest.BodyPublishers.ofString(Json.text(body));
      HttpRequest request = HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofSeconds(60))
          .header("Authorization", authorization).header("Content-Type", "application/json")
          .method(method, publisher).build();
      try {
        return client.send(request, HttpResponse.BodyHandlers.ofString());
      } catch (InterruptedException error) {
        throw new IOException("interrupted", error);
      }
    }

    private static HttpResponse<String> checked(HttpResponse<String> answer) throws IOException {
      if (answer.statusCode() >= 300) {
        throw new IOException(reason(answer));
      }
      return answer;
    }

    /** The status and Elasticsearch's own words, which never hold what was sent as a password. */
    private static String reason(HttpResponse<String> answer) {
      String text = answer.body();
      try {
        Object error = object(Json.parse(text)).get("error");
        text = error instanceof Map ? String.valueOf(object(error).get("reason")) : String.valueOf(error);
      } catch (RuntimeException notJson) {
        text = text.strip();
      }
      return answer.statusCode() + " " + text.substring(0, Math.min(text.length(), 400));
    }
  }

  /** As much of JSON as the API speaks; numbers stay as they are written. */
  private static final class Json {
    private final String text;
    private int at;

    private Json(String text) {
      this.text = text;
    }

    static Object parse(String text) {
      Json json = new Json(text);
      Object found = json.value();
      json.space();
      if (json.at < text.length()) {
        throw json.wrong();
      }
      return found;
    }

    private record Number(String digits) {
      @Override
      public String toString() {
        return digits;
      }
    }

    private Object value() {
      space();
      if (at >= text.length()) {
        throw wrong();
      }
      char first = text.charAt(at);
      if (first == '{') {
        return object();
      } else if (first == '[') {
        return array();
      } else if (first == '"') {
        return string();
      }
      for (String word : List.of("true", "false", "null")) {
        if (text.startsWith(word, at)) {
          at += word.length();
          return word.equals("null") ? null : (Object) Boolean.valueOf(word);
        }
      }
      int start = at;
      while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
        at++;
      }
      if (start == at) {
        throw wrong();
      }
      return new Number(text.substring(start, at));
    }

    private Map<String, Object> object() {
      Map<String, Object> found = new LinkedHashMap<>();
      take('{');
      while (!ends('}', found.isEmpty())) {
        space();
        String key = string();
        take(':');
        found.put(key, value());
      }
      return found;
    }

    private List<Object> array() {
      List<Object> found = new ArrayList<>();
      take('[');
      while (!ends(']', found.isEmpty())) {
        found.add(value());
      }
      return found;
    }

    private boolean ends(char end, boolean first) {
      space();
      if (at < text.length() && text.charAt(at) == end) {
        at++;
        return true;
      }
      if (!first) {
        take(',');
      }
      return false;
    }

    private String string() {
      StringBuilder found = new StringBuilder();
      take('"');
      while (at < text.length() && text.charAt(at) != '"') {
        char next = text.charAt(at++);
        if (next == '\\' && at < text.length()) {
          char escaped = text.charAt(at++);
          int plain = "bfnrt".indexOf(escaped);
          if (escaped == 'u') {
            found.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
            at += 4;
          } else {
            found.append(plain < 0 ? escaped : "\b\f\n\r\t".charAt(plain));
          }
        } else {
          found.append(next);
        }
      }
      take('"');
      return found.toString();
    }

    private void take(char wanted) {
      space();
      if (at >= text.length() || text.charAt(at) != wanted) {
        throw wrong();
      }
      at++;
    }

    private void space() {
      while (at < text.length() && Character.isWhitespace(text.charAt(at))) {
        at++;
      }
    }

    private IllegalArgumentException wrong() {
      return new IllegalArgumentException("not JSON at character " + at);
    }

    static String text(Object value) {
      StringBuilder into = new StringBuilder();
      write(value, into);
      return into.toString();
    }

    private static void write(Object value, StringBuilder into) {
      if (value instanceof Map) {
        String separator = "{";
        for (Map.Entry<String, Object> entry : Reconcile.object(value).entrySet()) {
          into.append(separator);
          write(entry.getKey(), into);
          into.append(':');
          write(entry.getValue(), into);
          separator = ",";
        }
        into.append(separator.equals("{") ? "{}" : "}");
      } else if (value instanceof List) {
        String separator = "[";
        for (Object item : list(value)) {
          into.append(separator);
          write(item, into);
          separator = ",";
        }
        into.append(separator.equals("[") ? "[]" : "]");
      } else if (value instanceof String) {
        into.append('"');
        for (char next : ((String) value).toCharArray()) {
          if (next == '"' || next == '\\') {
            into.append('\\').append(next);
          } else if (next < ' ') {
            into.append(String.format("\\u%04x", (int) next));
          } else {
            into.append(next);
          }
        }
        into.append('"');
      } else {
        into.append(value);
      }
    }
  }
}
