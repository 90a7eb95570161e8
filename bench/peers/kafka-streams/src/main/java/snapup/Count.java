package snapup;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams' DSL: events grouped by room, a window of one second, an in-memory window store with its changelog.
 *
 * <p>Arguments: bootstrap servers, prefix, group, events, partitions, file for the answer, folder, guarantee.
 */
public final class Count {
    /** What a count needs. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Event(String room_id, long event_time_ms) {}

    /** Older than this there is nothing: a topic may run ahead of another one by so much. */
    private static final Duration GRACE = Duration.ofHours(1);

    private static final Duration SECOND = Duration.ofSeconds(1);

    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    private static final CountDownLatch ALL = new CountDownLatch(1);
    private static long seen;
    private static volatile long firstCpuNs;
    private static volatile long firstWallNs;
    private static volatile long halfCpuNs;
    private static volatile long lastCpuNs;
    private static volatile long lastWallNs;

    private Count() {}

    public static void main(String[] arguments) throws Exception {
        final String prefix = arguments[1];
        final long events = Long.parseLong(arguments[3]);
        final KafkaStreams streams = new KafkaStreams(topology(prefix, events), properties(arguments));
        streams.start();
        if (!ALL.await(30, TimeUnit.MINUTES)) {
            throw new IllegalStateException("not all events came within half an hour");
        }
        Files.writeString(Path.of(arguments[5]), new ObjectMapper().writeValueAsString(counts(streams)));
        System.out.printf(
                Locale.ROOT,
                "{\"cpu_s\": %f, \"half_cpu_s\": %f, \"wall_s\": %f, \"begin_cpu_s\": %f, \"rss_peak_mib\": %f}%n",
                (lastCpuNs - firstCpuNs) / 1e9,
                (lastCpuNs - halfCpuNs) / 1e9,
                (lastWallNs - firstWallNs) / 1e9,
                firstCpuNs / 1e9,
                peakMib());
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    private static Properties properties(String[] arguments) {
        final Properties properties = new Properties();
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, arguments[6]);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, arguments[7]);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return properties;
    }

    private static org.apache.kafka.streams.Topology topology(String prefix, long events) {
        final StreamsBuilder builder = new StreamsBuilder();
        final List<String> topics =
                List.of(prefix + ".comments", prefix + ".likes", prefix + ".cart-adds", prefix + ".orders");
        final var value = Serdes.serdeFrom(serializer(), deserializer());
        final var input = Consumed.with(Serdes.String(), value)
                .withTimestampExtractor((record, partitionTime) -> ((Event) record.value()).event_time_ms());
        builder.stream(topics, input)
                .groupByKey(Grouped.with(Serdes.String(), value))
                .windowedBy(TimeWindows.ofSizeAndGrace(SECOND, GRACE))
                .aggregate(
                        () -> 0L,
                        (room, event, count) -> {
                            note(events);
                            return count + 1;
                        },
                        Materialized.<String, Long>as(
                                        Stores.inMemoryWindowStore("counts", GRACE.plus(GRACE), SECOND, false))
                                .withKeySerde(Serdes.String())
                                .withValueSerde(Serdes.Long()));
        return builder.build();
    }

    /** Called by the one stream thread, for each event. */
    private static void note(long events) {
        seen++;
        if (seen == 1) {
            firstCpuNs = SYSTEM.getProcessCpuTime();
            firstWallNs = System.nanoTime();
        }
        if (seen == events / 2) {
            halfCpuNs = SYSTEM.getProcessCpuTime();
        }
        if (seen == events) {
            lastCpuNs = SYSTEM.getProcessCpuTime();
            lastWallNs = System.nanoTime();
            ALL.countDown();
        }
    }

    private static Map<String, Long> counts(KafkaStreams streams) throws InterruptedException {
        // The last event's own count is put just after it was noted.
        Thread.sleep(500);
        final Map<String, Long> counts = new TreeMap<>();
        final var store = streams.store(
                StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.<String, Long>windowStore()));
        try (var all = store.all()) {
            all.forEachRemaining(
                    entry -> counts.merge(entry.key.key() + "|" + entry.key.window().start() / 1000, entry.value, Long::sum));
        }
        return counts;
    }

    private static Deserializer<Event> deserializer() {
        final ObjectReader reader = new ObjectMapper().readerFor(Event.class);
        return (topic, data) -> {
            try {
                return reader.readValue(data);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        };
    }

    /** Nothing is written: the key is right already. */
    private static Serializer<Event> serializer() {
        return (topic, event) -> {
            throw new UnsupportedOperationException("events are not repartitioned");
        };
    }

    private static double peakMib() throws IOException {
        for (final String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmHWM:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) / 1024.0;
            }
        }
        return 0;
    }
}
