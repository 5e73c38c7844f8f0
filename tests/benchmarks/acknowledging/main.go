// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// A remote-write bridge that answers Prometheus only when Kafka has the samples, to measure what that is worth.
// It stands in for programs that do so and are not available here; no role runs it.
package main

import (
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"hash"
	"io"
	"log"
	"math"
	"net/http"
	"os"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/xdg-go/scram"
)

type document struct {
	Timestamp int64              `json:"@timestamp"`
	Labels    map[string]string  `json:"labels"`
	Metrics   map[string]float64 `json:"metrics"`
}

type conversation struct{ *scram.ClientConversation }

func (c *conversation) Begin(user, password, authzID string) error {
	client, err := scram.HashGeneratorFcn(func() hash.Hash { return sha512.New() }).NewClient(user, password, authzID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

type bridge struct {
	mutex    sync.Mutex
	broker   string
	config   *sarama.Config
	producer sarama.SyncProducer
	topic    string
	written  atomic.Int64
}

// connect returns the producer, which there is only once Kafka has answered.
func (b *bridge) connect() (sarama.SyncProducer, error) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if b.producer == nil {
		producer, err := sarama.NewSyncProducer([]string{b.broker}, b.config)
		if err != nil {
			return nil, err
		}
		b.producer = producer
	}
	return b.producer, nil
}

func (b *bridge) messages(body []byte) ([]*sarama.ProducerMessage, error) {
	plain, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, err
	}
	var request prompb.WriteRequest
	if err := request.Unmarshal(plain); err != nil {
		return nil, err
	}
	var found []*sarama.ProducerMessage
	for _, series := range request.Timeseries {
		labels := make(map[string]string, len(series.Labels))
		for _, label := range series.Labels {
			labels[label.Name] = label.Value
		}
		key := labels["instance"]
		if key == "" {
			key = "rules"
		}
		for _, sample := range series.Samples {
			if math.IsNaN(sample.Value) || math.IsInf(sample.Value, 0) {
				continue
			}
			value, err := json.Marshal(document{sample.Timestamp, labels, map[string]float64{labels["__name__"]: sample.Value}})
			if err != nil {
				return nil, err
			}
			found = append(found, &sarama.ProducerMessage{
				Topic: b.topic, Key: sarama.StringEncoder(key), Value: sarama.ByteEncoder(value),
			})
		}
	}
	return found, nil
}

func (b *bridge) receive(answer http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	messages, err := b.messages(body)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
		return
	}
	producer, err := b.connect()
	if err == nil {
		err = producer.SendMessages(messages)
	}
	if err != nil {
		// Prometheus tries again.
		http.Error(answer, err.Error(), http.StatusServiceUnavailable)
		return
	}
	b.written.Add(int64(len(messages)))
	answer.WriteHeader(http.StatusNoContent)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:9201", "where Prometheus writes to")
	numbers := flag.String("metrics", "127.0.0.1:9273", "where its own numbers are")
	broker := flag.String("broker", "", "Kafka's address")
	topic := flag.String("topic", "", "topic of the samples")
	authority := flag.String("ca", "", "file with Kafka's authority")
	flag.Parse()

	pem, err := os.ReadFile(*authority)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)

	config := sarama.NewConfig()
	config.Version = sarama.V2_8_0_0
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Compression = sarama.CompressionZSTD
	config.Producer.Return.Successes = true
	config.Net.TLS.Enable = true
	config.Net.TLS.Config = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	config.Net.SASL.Enable = true
	config.Net.SASL.Mechanism = sarama.SASLTypeSCRAMSHA512
	config.Net.SASL.User, config.Net.SASL.Password = os.Getenv("KAFKA_USERNAME"), os.Getenv("KAFKA_PASSWORD")
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &conversation{} }

	own := &bridge{broker: *broker, config: config, topic: *topic}
	// Under the names that Telegraf has for them.
	go func() {
		log.Fatal(http.ListenAndServe(*numbers, http.HandlerFunc(func(answer http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(answer, "internal_write_metrics_written{output=\"kafka\"} %d\n", own.written.Load())
			fmt.Fprintf(answer, "internal_write_buffer_size{output=\"kafka\"} 0\n")
		})))
	}()
	log.Fatal(http.ListenAndServe(*listen, http.HandlerFunc(own.receive)))
}
