// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.DataStreamInfo;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.IndexProperties;
import org.elasticsearch.action.datastreams.GetDataStreamAction.Response.ManagedBy;
import org.elasticsearch.cluster.coordination.NoMasterBlockService;
import org.elasticsearch.cluster.health.ClusterHealthStatus;
import org.elasticsearch.cluster.metadata.ComponentTemplate;
import org.elasticsearch.cluster.metadata.ComposableIndexTemplate;
import org.elasticsearch.cluster.metadata.DataStream;
import org.elasticsearch.cluster.metadata.DataStreamLifecycle;
import org.elasticsearch.cluster.metadata.DataStreamOptions;
import org.elasticsearch.cluster.metadata.IndexMetadata;
import org.elasticsearch.cluster.metadata.ProjectId;
import org.elasticsearch.cluster.metadata.ProjectMetadata;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.IndexVersion;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentFactory;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xcontent.XContentParserConfiguration;
import org.elasticsearch.xcontent.json.JsonXContent;

/**
 * Asks the classes of Elasticsearch's server what they make of bodies, without a server.
 *
 * <p>On stdin an object: component_templates and index_templates, bodies by name; data_streams, by name the flat settings of a
 * backing index, its lifecycle and its options; settings, names of settings of indices.
 *
 * <p>On stdout the same: templates as GET shows them, each data stream as GET _data_stream does, and for each setting whether
 * it is dynamic; null for one of a module's, which the server does not know. And blocks, with the status that a document then
 * gets. A body that is refused ends it with the cause.
 */
public final class ElasticsearchRules {
  private ElasticsearchRules() {}

  public static void main(String[] arguments) throws Exception {
    LogConfigurator.configureESLogging();
    Map<String, Object> asked;
    try (XContentParser parser = parser(new String(System.in.readAllBytes(), StandardCharsets.UTF_8))) {
      asked = parser.map();
    }
    try (XContentBuilder answer = XContentFactory.jsonBuilder()) {
      answer.startObject();
      answer.startObject("component_templates");
      for (Map.Entry<String, Object> entry : section(asked, "component_templates").entrySet()) {
        answer.field(entry.getKey(), ComponentTemplate.parse(parser(text(entry.getValue()))));
      }
      answer.endObject().startObject("index_templates");
      for (Map.Entry<String, Object> entry : section(asked, "index_templates").entrySet()) {
        answer.field(entry.getKey(), ComposableIndexTemplate.parse(parser(text(entry.getValue()))));
      }
      answer.endObject().startObject("data_streams");
      for (Map.Entry<String, Object> entry : section(asked, "data_streams").entrySet()) {
        answer.field(entry.getKey(), dataStream(entry.getKey(), object(entry.getValue())));
      }
      answer.endObject();
      Map<String, Object> dynamic = new LinkedHashMap<>();
      for (Object name : (List<?>) asked.getOrDefault("settings", List.of())) {
        Setting<?> setting = IndexScopedSettings.DEFAULT_SCOPED_SETTINGS.get(name.toString());
        dynamic.put(name.toString(), setting == null ? null : setting.isDynamic());
      }
      answer.field("settings", dynamic);
      Map<String, Integer> blocks = Map.of(
          "no master", NoMasterBlockService.NO_MASTER_BLOCK_SETTING.get(Settings.EMPTY).status().getStatus(),
          "downsampled", IndexMetadata.INDEX_WRITE_BLOCK.status().getStatus(),
          "disk full", IndexMetadata.INDEX_READ_ONLY_ALLOW_DELETE_BLOCK.status().getStatus());
      answer.field("blocks", blocks).endObject();
      System.out.println(Strings.toString(answer));
    }
  }

  private static DataStreamInfo dataStream(String name, Map<String, Object> given) throws Exception {
    Settings settings = Settings.builder().loadFromMap(section(given, "settings"))
        .put(IndexMetadata.SETTING_VERSION_CREATED, IndexVersion.current()).put(IndexMetadata.SETTING_INDEX_UUID, "uuid")
        .put(IndexMetadata.SETTING_NUMBER_OF_SHARDS, 1).put(IndexMetadata.SETTING_NUMBER_OF_REPLICAS, 0).build();
    IndexMetadata index = IndexMetadata.builder(DataStream.getDefaultBackingIndexName(name, 1)).settings(settings).build();
    DataStream stream = DataStream.builder(name, List.of(index.getIndex())).setGeneration(1)
        .setLifecycle(DataStreamLifecycle.dataLifecycleFromXContent(parser(text(given.get("lifecycle")))))
        .setDataStreamOptions(DataStreamOptions.fromXContent(parser(text(given.get("options"))))).build();
    ProjectMetadata project = ProjectMetadata.builder(ProjectId.DEFAULT).put(index, false).put(stream).build();
    ManagedBy managedBy = project.isIndexManagedByILM(index) ? ManagedBy.ILM
        : stream.isIndexManagedByDataStreamLifecycle(index.getIndex(), project::index) ? ManagedBy.LIFECYCLE
        : ManagedBy.UNMANAGED;
    boolean prefersPolicy = IndexSettings.PREFER_ILM_SETTING.get(settings);
    IndexProperties properties = new IndexProperties(prefersPolicy, index.getLifecyclePolicyName(), managedBy, null);
    return new DataStreamInfo(stream, false, ClusterHealthStatus.GREEN, "template", index.getLifecyclePolicyName(), null,
        Map.of(index.getIndex(), properties), prefersPolicy, null, null);
  }

  private static XContentParser parser(String text) throws Exception {
    return JsonXContent.jsonXContent.createParser(XContentParserConfiguration.EMPTY, text);
  }

  private static String text(Object value) throws Exception {
    try (XContentBuilder found = XContentFactory.jsonBuilder()) {
      return Strings.toString(found.map(object(value)));
    }
  }

  private static Map<String, Object> section(Map<String, Object> from, String key) {
    return object(from.getOrDefault(key, Map.of()));
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> object(Object value) {
    return (Map<String, Object>) value;
  }
}
