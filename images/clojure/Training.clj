; What the class archive is made from: a little of what programs are made of.
(require '[clojure.string :as str] '[clojure.set :as set])
(defrecord Point [x y])
(defmulti area :kind)
(defmethod area :square [{:keys [side]}] (* side side))
(defn answer [& args] (reduce + (map #(* % %) (filter odd? args))))
(let [words (str/split "one two one" #" ")]
  (println (frequencies words) (->Point 1 2) (area {:kind :square :side 3}) (answer 1 2 3)))
(doseq [line (line-seq (java.io.BufferedReader. *in*))] (println line))
(try (throw (ex-info "x" {:a 1})) (catch Exception e (println (ex-message e) (set/union #{1} #{2}))))
(println (loop [n 0] (if (< n 10) (recur (inc n)) n)) (format "%.2f" 1.5) @(atom (sort [3 1 2])))
