"""Which product is that? Photos of a manifest are downloaded, indexed and searched with a photo from outside.

A manifest is JSON: ``[{"url": "https://...", "product": "...", "link": "https://..."}, ...]``. The default are products
of the showroom. Without ``--query``, one of your photos is left out and searched for::

    python examples/product_search.py manifest.json --query photo.jpg
"""

import json
import os

import common

import fiftyone_simfind as simfind
from fiftyone_simfind.showroom.catalogue import catalogue
from fiftyone_simfind.showroom.products import photo, write_products

SERVER = "FIFTYONE_BRAIN_SIMILARITY_ELASTICSEARCH_HOSTS"  # what Brain reads, too


def main() -> None:
    args = common.parse(parser)
    manifest = args.data or write_products(args.out / "shop", identities=catalogue()[::2])
    downloaded = simfind.download_images(manifest, args.out / "photos", allowed_hosts=args.host)
    print(downloaded)
    dataset = downloaded.to_dataset()
    query = args.query or (common.taken_out(dataset, "product") if args.data else args.out / "query.jpg")
    if not (args.query or args.data):
        photo(catalogue()[60], 99).save(query)  # a mug's sixth, which the index has not
    simfind.whole_images(dataset, label_field="product")
    print(simfind.embed(dataset, "whole", model=common.available(args.model, args.data)))
    where = {"backend": "elasticsearch"} if os.environ.get(SERVER) else {}
    simfind.build_index(dataset, "whole", brain_key="shop", **where)
    *_, whole = simfind.detect_query(common.photo(query, args.host), samples=dataset, brain_key="shop")
    results = simfind.search(dataset, whole, brain_key="shop", k=10, one_per_image=True)
    response = [
        {"score": round(m.score, 4), "product": m.label, "url": at.url, "link": at.link, "photo": m.filepath}
        for m, at in ((match, dataset[match.sample_id]) for match in results)
    ]
    (args.out / "response.json").write_text(json.dumps(response, indent=2), encoding="utf-8")
    results.plot(args.out / "product_search.png", max_matches=6)
    print(f"\nquery: {query}")
    for found in response:
        print(f"{found['score']:.3f}  {found['product']:24}  {found['link'] or found['photo']}")
    print(f"{args.out / 'response.json'}, {args.out / 'product_search.png'}\n", flush=True)
    simfind.build_index(dataset, "whole")  # recall takes all vectors, which an index of our own has
    try:
        recalls = (report := simfind.evaluate(dataset)).per_class()[["queries", "recall@1", "recall@5", "recall@10"]]
        print(f"{report}\n\nThe products that are found worst:\n{recalls.sort_values('recall@10').head().round(3)}")
    except simfind.FieldError as single:
        print(f"How well products are found cannot be told: {single}")


if __name__ == "__main__":
    parser = common.parser(__doc__, "product_search", "a manifest", "mobilenet_v2")
    parser.add_argument("--query", help="a photo or its address; default is another photo of a showroom product")
    parser.add_argument("--host", action="append", default=[], help="a host that is not public and may be asked")
    common.run(main)
