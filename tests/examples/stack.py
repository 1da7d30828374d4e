"""Creates the stack of examples/aws in moto, and verifies machines, zone and user data."""

import base64
import gzip
import os

os.environ |= {name: "test" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
os.environ["AWS_DEFAULT_REGION"] = "eu-central-1"

import boto3
from moto import mock_aws

IMAGE = "/aws/service/debian/release/12/latest/amd64"
USER_DATA = {"Exporter": "aws/exporter.cloud-init.yml", "Target": "aws/target.cloud-init.yml"}


def compressed(path):
    with open(path, "rb") as file:
        return base64.b64encode(gzip.compress(file.read())).decode()


@mock_aws
def main():
    ec2, stacks, zones = (boto3.client(name) for name in ("ec2", "cloudformation", "route53"))
    network = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.1.1.0/24")["Subnet"]["SubnetId"]
    # moto has no parameters of AWS that it does not know.
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    boto3.client("ssm").put_parameter(Name="/test/image", Value=image, Type="String")
    with open("aws/cloudformation.yml") as file:
        template = file.read()
    assert IMAGE in template
    parameters = {"VpcId": network, "SubnetId": subnet, "ClientCidr": "10.0.0.0/8"}
    parameters |= {f"{machine}UserData": compressed(path) for machine, path in USER_DATA.items()}
    stacks.create_stack(
        StackName="probe",
        TemplateBody=template.replace(IMAGE, "/test/image"),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    resources = stacks.describe_stack_resources(StackName="probe")["StackResources"]
    identifiers = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
    for machine in USER_DATA:
        attribute = ec2.describe_instance_attribute(InstanceId=identifiers[machine], Attribute="userData")
        data = gzip.decompress(base64.b64decode(attribute["UserData"]["Value"]))
        assert data.startswith(b"#cloud-config\n"), data[:40]
    [target] = ec2.describe_instances(InstanceIds=[identifiers["Target"]])["Reservations"][0]["Instances"]
    records = zones.list_resource_record_sets(HostedZoneId=identifiers["Zone"])["ResourceRecordSets"]
    addresses = {record["Name"].rstrip("."): record["ResourceRecords"] for record in records if record["Type"] == "A"}
    assert addresses == {"example.example-corp.internal": [{"Value": target["PrivateIpAddress"]}]}, addresses


main()
