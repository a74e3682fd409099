"""Which product is that? Photos of a manifest are downloaded, indexed and searched with a photo from outside.

A manifest is JSON: ``[{"url": "https://...", "product": "...", "link": "https://..."}, ...]``. On the showroom's
products by default, or on yours::

    python examples/product_search.py manifest.json --query photo.jpg
"""

from __future__ import annotations

import json
import os

import common

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.catalogue import catalogue
from fiftyone_simfind.showroom.products import photo, write_products

SERVER = "FIFTYONE_BRAIN_SIMILARITY_ELASTICSEARCH_HOSTS"  # what Brain reads, too


def main() -> None:
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    manifest = args.data or write_products(args.out / "shop", identities=catalogue()[::2])
    downloaded = simfind.download_images(manifest, args.out / "photos", allowed_hosts=args.host)
    print(downloaded)
    dataset = downloaded.to_dataset()
    simfind.whole_images(dataset, label_field="product")
    print(simfind.embed(dataset, "whole", model=common.available(args.model)))
    simfind.build_index(dataset, "whole")
    report = simfind.evaluate(dataset)
    print(report)
    print(report.per_class()[["queries", "recall@1", "recall@5", "recall@10"]].round(3))
    if args.query is None:  # a photo that the index has not
        args.query = args.out / "query.jpg"
        photo(catalogue()[44], 99).save(args.query)
    *_, whole = simfind.detect_query(common.photo(args.query, args.host), samples=dataset)
    if os.environ.get(SERVER):
        simfind.build_index(dataset, "whole", backend="elasticsearch", overwrite=True)
    results = simfind.search(dataset, whole, k=10, one_per_image=True)
    response = [
        {"score": round(m.score, 4), "product": m.label, "link": dataset[m.sample_id].link, "photo": m.filepath}
        for m in results
    ]
    (args.out / "response.json").write_text(json.dumps(response, indent=2), encoding="utf-8")
    results.plot(args.out / "product_search.png", max_matches=10)
    for found in response:
        print(f"{found['score']:.3f}  {found['product']:24}  {found['link'] or found['photo']}")
    print(f"{args.out / 'response.json'}, {args.out / 'product_search.png'}")


if __name__ == "__main__":
    parser = common.parser(__doc__, "product_search", "a manifest", "mobilenet_v2")
    parser.add_argument("--query", help="a photo or its address; default is another photo of a showroom product")
    parser.add_argument("--host", action="append", default=[], help="a host that is not public and may be asked")
    main()
